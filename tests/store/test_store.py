"""One writer that commits in groups: durable when it answers, and one job's failure is its own. On both engines."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
import pytest
from sqlalchemy import Connection, func, select, text, update
from sqlalchemy.exc import IntegrityError

from databases import Server
from loaner.errors import StoreUnusable
from loaner.store import LocalKey, Store, engine, open_store
from loaner.store.tables import facts

KEY = LocalKey(bytes(range(32)))


def put(name: str, value: str = "x"):
    return lambda c: c.execute(facts.insert().values(name=name, value=value)) and None


def count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(facts)).scalar_one()


async def in_one_batch(store: Store, *works) -> list[object]:
    """Carry all of them out in one batch: they queue up while the writer is busy. What each gave, or raised."""
    answers: list[object] = [None] * len(works)
    go = anyio.Event()

    async def one(at: int, work) -> None:
        try:
            answers[at] = await store.write(work)
        except Exception as failure:  # noqa: BLE001 - each answer is looked at
            answers[at] = failure

    def busy(_: Connection) -> None:
        anyio.from_thread.run(go.wait, token=token)

    token = anyio.lowlevel.current_token()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.write, busy)
        while not store._jobs.empty() or not store._writer.is_alive():
            await anyio.lowlevel.checkpoint()
        for at, work in enumerate(works):
            tasks.start_soon(one, at, work)
        while store._jobs.qsize() < len(works):
            await anyio.lowlevel.checkpoint()
        go.set()
    return answers


async def test_many_writers_at_once_lose_nothing(store_url: str) -> None:
    async with open_store(store_url, KEY) as store:
        async with anyio.create_task_group() as tasks:
            for i in range(500):
                tasks.start_soon(store.write, put(str(i)))
        assert await store.read(count) == 500


async def test_a_job_that_fails_leaves_its_neighbours_alone(store_url: str) -> None:
    def half(connection: Connection) -> None:
        put("half")(connection)
        raise RuntimeError("changed its mind")

    async with open_store(store_url, KEY) as store:
        answers = await in_one_batch(store, put("a"), half, put("a"), put("b"), count)
        assert [type(answer).__name__ for answer in answers] == [
            "NoneType", "RuntimeError", "StoreUnusable", "NoneType", "int",
        ]  # fmt: skip
        assert answers[-1] == 2
        names = await store.read(lambda c: set(c.execute(select(facts.c.name)).scalars()))
        assert names == {"a", "b"}


async def test_a_batch_that_works_is_one_transaction_without_savepoints(store_url: str) -> None:
    async with open_store(store_url, KEY) as store:
        nested: list[bool] = []

        def work(connection: Connection) -> int:
            nested.append(connection.in_nested_transaction())
            return id(connection.get_transaction())

        answers = await in_one_batch(store, work, work, work)
        assert nested == [False] * 3
        assert len(set(answers)) == 1


async def test_work_that_swallows_an_error_is_not_taken_for_durable(store_url: str) -> None:
    """PostgreSQL answers the COMMIT of a failed transaction as if nothing were wrong."""

    def careless(connection: Connection) -> str:
        try:
            put("a")(connection)
        except IntegrityError:
            return "was there"
        return "put"

    async with open_store(store_url, KEY) as store:
        await store.write(put("a"))
        answers = await in_one_batch(store, put("b"), careless)
        names = await store.read(lambda c: set(c.execute(select(facts.c.name)).scalars()))
    if store_url.startswith("sqlite"):  # there, the statement alone is rolled back
        assert answers == [None, "was there"]
    else:
        assert isinstance(answers[1], StoreUnusable)
        assert answers[0] is None
    assert names == {"a", "b"}


async def test_of_processes_that_look_and_then_write_one_at_a_time_does(store_url: str) -> None:
    """Each adds one to what it read: without a lock around both, PostgreSQL would lose some."""

    def add(connection: Connection) -> None:
        now = connection.execute(select(facts.c.value).where(facts.c.name == "n")).scalar_one()
        connection.execute(update(facts).where(facts.c.name == "n").values(value=str(int(now) + 1)))

    async with open_store(store_url, KEY) as one, open_store(store_url, KEY) as other:
        await one.write(put("n", "0"))
        async with anyio.create_task_group() as tasks:
            for turn in range(60):
                tasks.start_soon((one, other)[turn % 2].write, add)
        assert await one.read(lambda c: c.execute(select(facts.c.value)).scalar_one()) == "60"


async def test_a_read_sees_one_moment(store_url: str) -> None:
    async with open_store(store_url, KEY) as store:
        token = anyio.lowlevel.current_token()

        def twice(connection: Connection) -> tuple[int, int]:
            before = count(connection)
            anyio.from_thread.run(store.write, put("later"), token=token)
            return before, count(connection)

        assert await store.scan(twice) == (0, 0)
        assert await store.read(count) == 1


async def test_a_read_cannot_write_on_a_server(postgresql: Server, postgresql_template: str) -> None:
    async with open_store(postgresql.database(postgresql_template), KEY) as store:
        with pytest.raises(StoreUnusable):
            await store.read(put("a"))


async def test_what_was_answered_survives_a_kill(store_url: str) -> None:
    """The answer comes after the commit: kill -9 right after it loses nothing."""
    script = (
        "import anyio, os, signal, sys\n"
        "from loaner.store import LocalKey, open_store\n"
        "from loaner.store.tables import facts\n"
        "async def main():\n"
        f"    async with open_store({store_url!r}, LocalKey(bytes(range(32)))) as store:\n"
        "        await store.write(lambda c: c.execute(facts.insert().values(name='kept', value='x')) and None)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "anyio.run(main)\n"
    )
    done = await anyio.run_process([sys.executable, "-c", script], check=False)
    assert done.returncode == -9
    async with open_store(store_url, KEY) as store:
        assert await store.read(count) == 1


async def test_several_processes_share_one_store(store_url: str) -> None:
    script = (
        "import anyio, sys\n"
        "from loaner.store import LocalKey, open_store\n"
        "from loaner.store.tables import facts\n"
        "async def main():\n"
        f"    async with open_store({store_url!r}, LocalKey(bytes(range(32)))) as store:\n"
        "        for i in range(50):\n"
        "            name = f'{sys.argv[1]}-{i}'\n"
        "            await store.write(lambda c: c.execute(facts.insert().values(name=name, value='x')) and None)\n"
        "anyio.run(main)\n"
    )
    async with anyio.create_task_group() as tasks:
        for n in range(2):
            tasks.start_soon(anyio.run_process, [sys.executable, "-W", "error", "-c", script, str(n)])
    async with open_store(store_url, KEY) as store:
        assert await store.read(count) == 100
        if store_url.startswith("sqlite"):
            assert await store.read(lambda c: c.exec_driver_sql("PRAGMA integrity_check").scalar()) == "ok"


async def test_a_server_that_was_restarted_is_used_again(postgresql: Server, postgresql_template: str) -> None:
    async with open_store(postgresql.database(postgresql_template), KEY) as store:
        await store.write(put("before"))
        assert await store.read(count) == 1
        postgresql.kill_connections()
        await store.write(put("after"))
        postgresql.kill_connections()
        assert await store.read(count) == 2


async def test_a_line_that_goes_dead_under_way_is_not_done_twice(postgresql: Server, postgresql_template: str) -> None:
    """It failed before the commit, so it is certain that nothing is stored, and done anew."""
    async with open_store(postgresql.database(postgresql_template), KEY) as store:
        tries: list[int] = []

        def work(connection: Connection) -> None:
            put("a")(connection)
            tries.append(1)
            if len(tries) == 1:
                postgresql.kill_connections()
                connection.execute(text("SELECT 1"))

        answers = await in_one_batch(store, work, put("b"))
        assert answers == [None, None]
        assert await store.read(count) == 2


async def test_a_line_that_goes_dead_at_the_commit_is_told_and_not_done_again(
    postgresql: Server, postgresql_template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server may have committed: what was asked could otherwise happen twice."""
    async with open_store(postgresql.database(postgresql_template), KEY) as store:
        ran: list[str] = []
        usual = engine.assure_open

        def dies(connection: Connection) -> None:
            usual(connection)
            postgresql.kill_connections()

        def work(connection: Connection) -> None:
            ran.append("once")
            put("a")(connection)

        monkeypatch.setattr(engine, "assure_open", dies)
        with pytest.raises(StoreUnusable, match="while it was written to"):
            await store.write(work)
        monkeypatch.undo()
        assert ran == ["once"]
        await store.write(put("b"))


async def test_a_refusal_of_the_server_is_told_without_the_row(postgresql: Server, postgresql_template: str) -> None:
    async with open_store(postgresql.database(postgresql_template), KEY) as store:
        await store.write(put("secret-name"))
        with pytest.raises(StoreUnusable) as told:
            await store.write(put("secret-name", "secret-value"))
    assert "secret" not in f"{told.value.told()} {told.value.log} {told.value!r}"
    assert told.value.log == "UniqueViolation (23505)"


async def test_a_server_that_is_not_there_is_a_clear_error() -> None:
    with pytest.raises(StoreUnusable, match="cannot be opened") as told:
        async with open_store("postgresql://loaner:hunter2hunter2@127.0.0.1:9/x", KEY):
            pass
    assert "hunter2" not in f"{told.value.told()} {told.value.log}"


async def test_a_store_that_cannot_be_written_says_so_and_nothing_more(tmp_path: Path) -> None:
    async with open_store(f"sqlite:///{tmp_path}/s.db", KEY) as store:
        await store.write(
            lambda c: (
                c.exec_driver_sql(
                    "CREATE TRIGGER full BEFORE INSERT ON facts BEGIN SELECT RAISE(ABORT, 'disk full'); END"
                )
                and None
            )
        )
        with pytest.raises(StoreUnusable) as told:
            await store.write(put("secret-name", "secret-value"))
    assert "secret" not in f"{told.value.told()} {told.value.log} {told.value!r}"


async def test_a_folder_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="cannot be opened"):
        async with open_store(f"sqlite:///{tmp_path}/nowhere/s.db", KEY):
            pass


async def test_a_closed_store_refuses(tmp_path: Path) -> None:
    async with open_store(f"sqlite:///{tmp_path}/s.db", KEY) as store:
        kept: Store = store
    with pytest.raises(StoreUnusable, match="closed"):
        await kept.write(put("late"))
