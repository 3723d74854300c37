"""The sealing key is changed while servers write, and afterwards the old one is not needed by anything (MUST 53)."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from sqlalchemy import Connection, LargeBinary, select, update

from databases import Server
from loaner.cli._app import run as main
from loaner.keys import FileKey
from loaner.secret import Secret
from loaner.store import LocalKey, Store, Unsealable, WrongKey, open_store
from loaner.store.rotation import counted, rewrap, sealed_columns
from loaner.store.tables import grants, metadata

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PEOPLE = 40


@asynccontextmanager
async def server(url: str, key: Path) -> AsyncIterator[Store]:
    """One of several servers that share a store and a key file."""
    async with open_store(url, FileKey(key)) as store:
        yield store


def connect(store: Store, grant: str):
    """Keep a person's first token pair."""
    values = dict.fromkeys(("provider", "connector", "environment", "account_id", "account_name"), "x")
    sealed = store.sealed.seal(Secret(f"token 1 of {grant}"), "grants", grant, "1")
    more = {"subject": grant, "permissions": [], "state": "active", "version": 1, "created_at": NOW}
    return lambda c: c.execute(grants.insert().values(id=grant, sealed=sealed, **values, **more)) and None


def refresh(store: Store, grant: str):
    def work(connection: Connection) -> int:
        row = connection.execute(select(grants.c.version, grants.c.sealed).where(grants.c.id == grant)).one()
        assert store.sealed.open(row.sealed, "grants", grant, str(row.version))
        new = store.sealed.seal(Secret(f"token {row.version + 1} of {grant}"), "grants", grant, str(row.version + 1))
        connection.execute(update(grants).where(grants.c.id == grant).values(version=row.version + 1, sealed=new))
        return int(row.version) + 1

    return work


async def opened(store: Store) -> dict[str, str]:
    rows = await store.read(lambda c: c.execute(select(grants.c.id, grants.c.version, grants.c.sealed)).all())
    return {row.id: store.sealed.open(row.sealed, "grants", row.id, str(row.version)).reveal() for row in rows}


async def sealed_of(store: Store, grant: str) -> bytes:
    return await store.read(lambda c: c.execute(select(grants.c.sealed).where(grants.c.id == grant)).scalar_one())


async def test_a_rotation_under_writers_loses_nothing_and_leaves_nothing(store_url: str, tmp_path: Path) -> None:
    people = [secrets.token_hex(16) for _ in range(PEOPLE)]
    versions = dict.fromkeys(people, 1)
    async with server(store_url, tmp_path / "key") as one, server(store_url, tmp_path / "key") as other:
        for person in people:
            await one.write(connect(one, person))
        old = one.sealed.key_id()
        ended = False

        async def write(store: Store, mine: list[str]) -> None:
            while not ended:
                person = secrets.choice(mine)
                versions[person] = await store.write(refresh(store, person))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write, one, people[: PEOPLE // 2])
            tasks.start_soon(write, other, people[PEOPLE // 2 :])
            async with server(store_url, tmp_path / "key") as rotating:
                FileKey(tmp_path / "key").renew()
                rotated = await rewrap(rotating)
            writes = sum(versions.values())
            while sum(versions.values()) < writes + 10:  # and they go on afterwards
                await anyio.lowlevel.checkpoint()
            ended = True
        assert rotated.unreadable == 0
        assert await one.read(counted) == {one.sealed.key_id(): PEOPLE}
        assert one.sealed.key_id() != old
        assert FileKey(tmp_path / "key").retire() == 1
        assert await opened(other) == {person: f"token {versions[person]} of {person}" for person in people}


async def test_a_value_that_a_writer_replaced_meanwhile_stays_the_writers(store_url: str, tmp_path: Path) -> None:
    async with server(store_url, tmp_path / "key") as store:
        await store.write(connect(store, "a" * 32))
        FileKey(tmp_path / "key").renew()
        wrap_anew, raced = store.sealed.rewrapped, []

        def race(sealed: bytes) -> bytes:
            if not raced:
                raced.append(anyio.from_thread.run(store.write, refresh(store, "a" * 32)))
            return wrap_anew(sealed)

        object.__setattr__(store.sealed, "rewrapped", race)
        rotated = await rewrap(store)
        assert (raced, rotated.moved) == ([2], 0)
        assert await opened(store) == {"a" * 32: f"token 2 of {'a' * 32}"}


async def test_what_no_key_opens_is_counted_and_left_as_it_is(store_url: str, tmp_path: Path) -> None:
    async with open_store(store_url, LocalKey(bytes(32))) as stranger:
        await stranger.write(connect(stranger, "b" * 32))
    async with server(store_url, tmp_path / "key") as store:
        await store.write(connect(store, "a" * 32))
        FileKey(tmp_path / "key").renew()
        rotated = await rewrap(store)
        assert (rotated.moved, rotated.unreadable) == (1, 1)
        sealed = await sealed_of(store, "b" * 32)
        assert stranger.sealed.open(sealed, "grants", "b" * 32, "1")


async def test_a_key_that_was_destroyed_opens_nothing_ever_again(store_url: str, tmp_path: Path) -> None:
    async with server(store_url, tmp_path / "key") as store:
        await store.write(connect(store, "a" * 32))
    (tmp_path / "key").unlink()
    async with server(store_url, tmp_path / "key") as store:
        with pytest.raises(WrongKey):
            await opened(store)


@pytest.mark.parametrize("how", ["swapped", "rolled back", "foreign"])
async def test_a_row_that_is_not_what_was_written_there_does_not_open(how: str, store_url: str, tmp_path: Path) -> None:
    """MUST 52, with whole rows as someone with the database would change them."""
    one, two = "a" * 32, "b" * 32
    async with server(store_url, tmp_path / "key") as store:
        await store.write(connect(store, one))
        await store.write(connect(store, two))
        old = await sealed_of(store, one)
        await store.write(refresh(store, one))
        if how == "swapped":
            other = await store.read(
                lambda c: c.execute(select(grants.c.sealed).where(grants.c.id == two)).scalar_one()
            )
            change = update(grants).where(grants.c.id == one).values(sealed=other, version=1)
        elif how == "rolled back":
            change = update(grants).where(grants.c.id == one).values(sealed=old)
        else:
            async with server(f"sqlite:///{tmp_path}/foreign.db", tmp_path / "another key") as elsewhere:
                foreign = elsewhere.sealed.seal(Secret("token of a stranger"), "grants", one, "2")
            change = update(grants).where(grants.c.id == one).values(sealed=foreign)
        await store.write(lambda c: c.execute(change) and None)
        with pytest.raises(Unsealable):
            await opened(store)


def test_every_column_of_bytes_is_either_sealed_or_known_not_to_be() -> None:
    """MUST 43: what a rotation did not know of, it would leave under the old key."""
    public = {"passkeys.public_key", "passkey_challenges.challenge"}
    of_bytes = {
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }
    assert {f"{column.table.name}.{column.name}" for column in sealed_columns()} == of_bytes - public
    assert len(of_bytes - public) == 5


def test_the_verbs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LOANER_HOME", str(tmp_path))
    url = f"sqlite:///{tmp_path / 'loaner.db'}"

    async def fill() -> None:
        async with server(url, tmp_path / "key") as store:
            await store.write(connect(store, "a" * 32))

    def said(*arguments: str) -> tuple[int, dict[str, object]]:
        code = main(["keys", *arguments, "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out or err)

    anyio.run(fill)
    _, before = said("show")
    assert said("rotate") == (0, {"moved": 1, "unreadable": 0})
    _, after = said("show")
    assert before["sealed"] == {before["seals"]: 1}
    assert after["sealed"] == {after["seals"]: 1}
    assert after["seals"] != before["seals"]
    FileKey(tmp_path / "key").renew()  # as a rotation that was killed leaves it
    code, refused = said("retire")
    assert code != 0
    assert "under an old key" in str(refused)
    assert said("rotate")[1] == {"moved": 1, "unreadable": 0}
    assert said("retire") == (0, {"retired": 3})
    assert said("show")[0] == 0


async def test_a_store_of_a_server_is_rotated_by_the_verb_too(
    postgresql: Server, postgresql_template: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The URL, which may hold a password, comes by reference."""
    url = postgresql.database(postgresql_template)
    monkeypatch.setenv("LOANER_HOME", str(tmp_path))
    monkeypatch.setenv("LOANER_STORE", "env:DATABASE")
    monkeypatch.setenv("DATABASE", url)
    async with server(url, tmp_path / "key") as store:
        await store.write(connect(store, "a" * 32))
        assert await anyio.to_thread.run_sync(main, ["keys", "rotate"]) == 0
        assert await store.read(counted) == {store.sealed.key_id(): 1}
