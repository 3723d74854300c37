"""Killed at every point, with the books in PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from crash.forks import Forks, forks
from crash.kit import Shop, shop
from crash.test_kill import *  # noqa: F403 - each is a test
from crash.test_kill_often import *  # noqa: F403
from databases import Server

pytestmark = pytest.mark.soak


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
