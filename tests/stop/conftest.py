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


@pytest.fixture
async def linked(acme: Town) -> Town:
    """A town where alice has connected GitHub and Linear."""
    async with acme.agent() as agent:
        assert not (await acme.call(agent, "github_get_me", {})).is_error
        assert not (await acme.call(agent, "linear_list_teams", {})).is_error
    await acme.settled()
    return acme
