"""Verbs that look write nothing: a full or read-only disk does not stop them, and they leave no trace."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from sqlalchemy import text

from cli.terminal import Terminal
from loaner.assembly import open_loaner
from loaner.audit import append
from loaner.errors import StoreUnusable
from loaner.settings import load
from loaner.store import Store
from loaner.store import engine as engines
from loaner.store.looking import looked_at

ISSUE = ["owner=acme", "repo=web", "issue_number=1"]
LOOKS: dict[str, list[str]] = {
    "loans": ["loans"],
    "status": ["status"],
    "status as JSON": ["status", "--json"],
    "tools": ["tools"],
    "scopes": ["scopes", "github_issue_read"],
    "explain": ["explain", "github_issue_read", *ISSUE],
    "audit tail": ["audit", "tail"],
    "audit show": ["audit", "show", "1"],
    "audit verify": ["audit", "verify"],
    "audit export": ["audit", "export", "--out", "/dev/null"],
    "connector list": ["connector", "list"],
    "connector drift": ["connector", "drift"],
    "keys show": ["keys", "show"],
    "policy check": ["policy", "check"],
}
NEEDS_NO_STORE = {"tools", "scopes", "explain", "status", "status as JSON", "connector list", "policy check"}


def tree(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Every file and folder, and when it was changed last."""
    found = [folder, *folder.rglob("*")] if folder.exists() else []
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns, path.stat().st_size) for path in found}


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """No file takes another byte."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def with_a_record(store: Store, letter: str = "a") -> None:
    from datetime import UTC, datetime

    said = {"id": letter * 32, "kind": "event", "issuer": "local", "sub": "alice", "detail": "x"}
    await store.write(lambda connection: append(connection, said, datetime(2026, 1, 1, tzinfo=UTC)))


@contextlib.asynccontextmanager
async def a_server(terminal: Terminal):
    with terminal.patch.context() as patch:
        patch.setenv("LOANER_HOME", str(terminal.home))
        async with open_loaner(load(), serving=False) as loaner:
            await with_a_record(loaner.store)
            yield


@pytest.mark.parametrize("typed", LOOKS.values(), ids=LOOKS)
def test_beside_a_store_that_nobody_has_open(terminal: Terminal, typed: list[str]) -> None:
    async def begun() -> None:
        async with a_server(terminal):
            pass

    anyio.run(begun)
    before = tree(terminal.home)
    with full_disk():
        done = terminal.type(*typed)
    assert done.code == 0, done.err
    assert tree(terminal.home) == before


async def test_beside_a_server_that_writes(terminal: Terminal) -> None:
    async with a_server(terminal):
        before = tree(terminal.home)
        assert any(path.endswith("-wal") for path in before), "nothing here is as with a running server"
        for typed in LOOKS.values():
            with full_disk():
                done = await anyio.to_thread.run_sync(lambda typed=typed: terminal.type(*typed))
            assert done.code == 0, (typed, done.err)
        assert tree(terminal.home) == before


@pytest.mark.parametrize("serving", [True, False])
async def test_a_store_that_is_looked_at_cannot_be_written(terminal: Terminal, serving: bool) -> None:
    async with contextlib.AsyncExitStack() as stack:
        server = contextlib.AsyncExitStack()
        await stack.enter_async_context(server)
        await server.enter_async_context(a_server(terminal))
        if not serving:
            await server.aclose()
        store = stack.enter_context(looked_at(f"sqlite:///{terminal.home / 'loaner.db'}"))
        with pytest.raises(StoreUnusable) as refused:
            await with_a_record(store, "b")
        assert "readonly" in refused.value.log


@pytest.mark.parametrize("name", LOOKS)
def test_where_there_is_nothing_yet_nothing_is_made(terminal: Terminal, name: str) -> None:
    top = terminal.home
    terminal.home = top / "not" / "yet"
    before = tree(top)
    done = terminal.type(*LOOKS[name])
    assert tree(top) == before
    if name in NEEDS_NO_STORE:
        assert done.code == 0, done.err
    else:
        assert (done.code, done.out) == (2, "")
        assert f"there is no store at {terminal.home / 'loaner.db'}" in done.err
    if name == "status":
        assert "there is no store yet at" in done.out


def test_a_store_of_an_earlier_loaner_is_left_as_it_is(terminal: Terminal) -> None:
    async def begun() -> None:
        async with a_server(terminal):
            pass

    anyio.run(begun)
    engine = engines.create(f"sqlite:///{terminal.home / 'loaner.db'}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    engine.dispose()
    before = tree(terminal.home)
    done = terminal.type("loans")
    assert done.code == 1
    assert "Start the server once" in done.err
    assert tree(terminal.home) == before


def test_a_stop_on_a_full_disk_says_what_could_not_be_written(terminal: Terminal) -> None:
    async def begun() -> None:
        async with a_server(terminal):
            pass

    anyio.run(begun)
    with full_disk():
        done = terminal.type("revoke", "--my-tokens", "--yes")
    assert "store_unusable" in done.err
    assert "the key file" not in done.err
    assert terminal.type("revoke", "--my-tokens", "--yes").code == 0
