from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from journeys.town import Town, town


@pytest.fixture
async def acme(tmp_path: Path) -> AsyncIterator[Town]:
    """A fresh town: alice and bob, GitHub, Slack and Linear of acme."""
    async with town(tmp_path / "home") as built:
        yield built
