"""What was agreed to of a container covers what is in it now: a name from before a move is no way in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from journeys.town import Town, error_of, text_of, town
from loaner.sandbox.linear.state import Comment


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("moved"), tools={"toolsets": ("all",)}) as built:
        linear: Any = built.running.sandbox.inside["linear"]
        linear.world.issue("OPS-2").previous_identifiers = ["ENG-99"]
        yield built


def writes(acme: Town) -> list[str]:
    """What was written on the issue that moved."""
    linear: Any = acme.running.sandbox.inside["linear"]
    return [one.body for one in linear.world.every(Comment) if one.issue and one.issue.identifier == "OPS-2"]


@pytest.mark.parametrize("tool", ["linear_get_issue", "linear_list_comments"])
async def test_a_team_that_may_be_read_is_not_read_beyond_by_an_old_identifier(acme: Town, tool: str) -> None:
    """MUST 28: of the team that the person agreed to, whatever the name begins with."""
    name = "id" if tool == "linear_get_issue" else "issueId"
    async with acme.agent() as agent:
        asked = await agent.call_tool(tool, {name: "ENG-1"})
        await acme.decide(asked, reads="here", agents="this")
        assert not (await agent.call_tool(tool, {name: "ENG-1"})).is_error
        asked = await agent.call_tool(tool, {name: "ENG-99"})
        assert error_of(asked)["code"] == "consent_required", text_of(asked)
        await acme.decide(asked, reads="here", agents="this")
        assert not (await agent.call_tool(tool, {name: "ENG-99"})).is_error, "its own team may be read now"


async def test_a_task_on_a_team_writes_nothing_in_another(acme: Town) -> None:
    """MUST 28."""
    task = {
        "purpose": "answer the issues of ENG",
        "operations": [{"tool": "linear_create_comment", "count": 2}],
        "resources": ["team:ENG"],
        "minutes": 30,
    }
    async with acme.agent() as agent:
        assert not (await acme.call(agent, "loaner_propose_task", task)).is_error
        before = writes(acme)
        assert not (await acme.call(agent, "linear_create_comment", {"issueId": "ENG-1", "body": "x"})).is_error
        asked = await agent.call_tool("linear_create_comment", {"issueId": "ENG-99", "body": "x"})
        assert "outside the task" in text_of(asked)
        assert writes(acme) == before
        told = await agent.call_tool("loaner_propose_task", task)
        (left,) = (told.structured_content or {})["operations"]
        assert left["calls_left"] == 1, "what was not done is not counted"
