from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from house import House, house


@pytest.fixture
async def local(tmp_path: Path, anyio_backend: str) -> AsyncIterator[House]:
    """A loaner of one person on their own computer."""
    async with house(tmp_path) as built:
        yield built


@pytest.fixture
async def shared_house(tmp_path: Path, anyio_backend: str) -> AsyncIterator[House]:
    """A loaner on a server: people sign in with the issuer."""
    async with house(tmp_path, signs_in=True) as built:
        yield built
