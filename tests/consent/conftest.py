from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from house import House, house
from loaner.store import LocalKey, Store, open_store


@pytest.fixture
async def store(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Store]:
    async with open_store(f"sqlite:///{tmp_path / 'loaner.db'}", LocalKey(bytes(32))) as opened:
        yield opened


@pytest.fixture
async def local(tmp_path: Path, anyio_backend: str) -> AsyncIterator[House]:
    async with house(tmp_path) as built:
        yield built
