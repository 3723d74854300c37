"""One writer that commits in groups: durable when it answers, and one job's failure is its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, inspect, select

from loaner.errors import SettingsInvalid, StoreUnusable
from loaner.store import LocalKey, Store, open_store, schema
from loaner.store.tables import facts, metadata

KEY = LocalKey(bytes(range(32)))


def put(name: str, value: str = "x"):
    return lambda c: c.execute(facts.insert().values(name=name, value=value)) and None


def count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(facts)).scalar_one()


async def test_many_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    async with open_store(f"sqlite:///{tmp_path}/s.db", KEY) as store:
        async with anyio.create_task_group() as tasks:
            for i in range(500):
                tasks.start_soon(store.write, put(str(i)))
        assert await store.read(count) == 500


async def test_a_job_that_fails_leaves_its_neighbours_alone(tmp_path: Path) -> None:
    async with open_store(f"sqlite:///{tmp_path}/s.db", KEY) as store:
        failures: list[str] = []

        async def one(work) -> None:
            try:
                await store.write(work)
            except (RuntimeError, StoreUnusable) as failure:
                failures.append(type(failure).__name__)

        def half(connection: Connection) -> None:
            put("half")(connection)
            raise RuntimeError("changed its mind")

        async with anyio.create_task_group() as tasks:
            for work in (put("a"), half, put("a"), put("b")):
                tasks.start_soon(one, work)
        assert sorted(failures) == ["RuntimeError", "StoreUnusable"]
        names = await store.read(lambda c: set(c.execute(select(facts.c.name)).scalars()))
        assert names == {"a", "b"}


async def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    """The answer comes after the commit: kill -9 right after it loses nothing."""
    script = (
        "import anyio, os, signal, sys\n"
        "from loaner.store import LocalKey, open_store\n"
        "from loaner.store.tables import facts\n"
        "async def main():\n"
        f"    async with open_store('sqlite:///{tmp_path}/s.db', LocalKey(bytes(range(32)))) as store:\n"
        "        await store.write(lambda c: c.execute(facts.insert().values(name='kept', value='x')) and None)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "anyio.run(main)\n"
    )
    done = await anyio.run_process([sys.executable, "-c", script], check=False)
    assert done.returncode == -9
    async with open_store(f"sqlite:///{tmp_path}/s.db", KEY) as store:
        assert await store.read(count) == 1


async def test_several_processes_share_one_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    script = (
        "import anyio, sys\n"
        "from loaner.store import LocalKey, open_store\n"
        "from loaner.store.tables import facts\n"
        "async def main():\n"
        f"    async with open_store({url!r}, LocalKey(bytes(range(32)))) as store:\n"
        "        for i in range(50):\n"
        "            name = f'{sys.argv[1]}-{i}'\n"
        "            await store.write(lambda c: c.execute(facts.insert().values(name=name, value='x')) and None)\n"
        "anyio.run(main)\n"
    )
    children = [subprocess.Popen([sys.executable, "-W", "error", "-c", script, str(n)]) for n in range(4)]
    assert [await anyio.to_thread.run_sync(child.wait) for child in children] == [0, 0, 0, 0]
    async with open_store(url, KEY) as store:
        assert await store.read(count) == 200
        assert await store.read(lambda c: c.exec_driver_sql("PRAGMA integrity_check").scalar()) == "ok"


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


def test_a_url_that_is_none_is_a_clear_error() -> None:
    with pytest.raises(SettingsInvalid, match="not a database URL"):
        schema_of("nonsense")


def schema_of(url: str) -> None:
    from loaner.store.engine import create

    create(url)


async def test_the_newest_revision_is_the_one_that_migrations_end_at(tmp_path: Path) -> None:
    config = Config()
    config.set_main_option("script_location", "loaner.store:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == schema.HEAD
    async with open_store(f"sqlite:///{tmp_path}/s.db", KEY) as store:
        assert await store.read(schema.current) == schema.HEAD
        tables = await store.read(lambda c: set(inspect(c).get_table_names()))
    assert tables == set(metadata.tables) | {"alembic_version"}


async def test_a_closed_store_refuses(tmp_path: Path) -> None:
    async with open_store(f"sqlite:///{tmp_path}/s.db", KEY) as store:
        kept: Store = store
    with pytest.raises(StoreUnusable, match="closed"):
        await kept.write(put("late"))
