from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from crash.forks import Forks, forks
from crash.kit import Shop, linked_shop


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def forkserver(anyio_backend: str) -> AsyncIterator[Forks]:
    async with forks() as server:
        yield server


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A folder in memory where the system has one: what a killed process has written is there, disk or no disk."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own in it, as in /tmp
    with tempfile.TemporaryDirectory(prefix="loaner-crash-", dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
async def linked(forkserver: Forks, home: Path) -> AsyncIterator[Shop]:
    async with linked_shop(home, forkserver) as one:
        yield one
