"""Killed at every point, with the books in PostgreSQL: each death once here, and many times at length."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from crash.forks import Forks, forks
from crash.kit import Shop, shop
from crash.test_kill_often import EVERY, Death, each, killed
from databases import Server


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def forkserver(anyio_backend: str) -> AsyncIterator[Forks]:
    async with forks() as server:
        yield server


@pytest.fixture(scope="module")
async def linked(
    forkserver: Forks, postgresql: Server, postgresql_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shop]:
    """A shop where alice has connected GitHub and Linear."""
    url = postgresql.database(postgresql_template)
    async with shop(tmp_path_factory.mktemp("crash"), forkserver, url) as one:
        server = await one.serve()
        await one.until_done("github_get_me", {})
        await one.until_done("linear_get_issue", {"id": "ENG-1"})
        await server.kill()
        yield one


@each(EVERY)
async def test_nothing_is_lost_in_postgresql_by_a_process_killed_in_a(linked: Shop, death: Death) -> None:
    await killed(linked, death, 1)
