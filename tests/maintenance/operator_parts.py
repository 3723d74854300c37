"""Somebody who runs a server, stops it, and types verbs; the agents and people of the town meet what is left."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from cli.terminal import Done, Terminal
from journeys.town import Town, standing
from loaner.sandbox.run import RunningSandbox
from loaner.settings import load
from loaner.store import LocalKey, Store
from loaner.store import engine as engines
from loaner.store.schema import bring_up_to_date


@contextlib.contextmanager
def writable() -> Iterator[Store]:
    """The store of this home, as a server has it open."""
    engine = engines.create(load().store_url)
    bring_up_to_date(engine)
    store = Store(engine, LocalKey(bytes(32)))
    try:
        yield store
    finally:
        store.close()


async def until(seen: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what happens beside the calls."""
    with anyio.fail_after(30):
        while not await seen():  # noqa: ASYNC110 - it may be another process that does it
            await anyio.sleep(0.01)


@dataclass
class Operator:
    terminal: Terminal
    running: RunningSandbox
    file: Path
    """Where the backup goes."""

    @contextlib.asynccontextmanager
    async def server(self, **overrides: Any) -> AsyncIterator[Town]:
        async with standing(self.terminal.home, self.running, **overrides) as town:
            yield town
            await town.settled()

    async def type(self, *arguments: str) -> Done:
        return await anyio.to_thread.run_sync(lambda: self.terminal.type(*arguments))

    async def backs_up(self, *more: str) -> None:
        done = await self.type("backup", str(self.file), *more)
        assert done.code == 0, done.err

    async def restores(self, *more: str) -> dict[str, Any]:
        done = await self.type("restore", str(self.file), "--yes", "--json", *more)
        assert done.code == 0, done.err
        [told] = done.rows
        return dict(told)

    async def resumes(self) -> None:
        assert (await self.type("resume", "--all-tokens")).code == 0

    def loses_the_store(self) -> None:
        """As a disk does."""
        for file in self.terminal.home.glob("loaner.db*"):
            file.unlink()
