"""Killed at every point, with the books in PostgreSQL: each death once here, and many times at length."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from crash.conftest import anyio_backend, forkserver  # noqa: F401 - fixtures
from crash.forks import Forks
from crash.kit import Shop, linked_shop
from crash.test_kill_often import EVERY, Death, each, killed
from databases import Server

pytestmark = pytest.mark.often


@pytest.fixture(scope="module")
async def linked(
    forkserver: Forks,  # noqa: F811
    postgresql: Server,
    postgresql_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Shop]:
    url = postgresql.database(postgresql_template)
    async with linked_shop(tmp_path_factory.mktemp("crash"), forkserver, url) as one:
        yield one


@each(EVERY)
async def test_nothing_is_lost_in_postgresql_by_a_process_killed_in_a(linked: Shop, death: Death) -> None:
    await killed(linked, death, 1)
