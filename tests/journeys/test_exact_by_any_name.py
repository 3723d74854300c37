"""Where a rule wants a yes to the very call for what is in one team, an hour's yes by another name does not do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from journeys.town import Town, error_of, text_of, town
from loaner.sandbox.linear.state import Comment

RULES = """
@id("asked") permit (principal, action, resource) when { context.approved };
@id("operations-each") forbid (principal, action, resource in Resource::"team:OPS") unless { context.approved_exactly };
"""
TOOL = "linear_create_comment"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    home = tmp_path_factory.mktemp("each")
    (home / "policy").mkdir()
    (home / "policy" / "team.cedar").write_text(RULES, encoding="utf-8")
    async with town(home, tools={"toolsets": ("all",)}, policy=home / "policy") as built:
        yield built


@pytest.mark.parametrize("by", ["id", "a name from before it moved"])
async def test_an_hours_yes_by_another_name_is_not_one_to_the_very_call(acme: Town, by: str) -> None:
    """MUST 28: by its id nothing says at first that the issue is one of the team."""
    linear: Any = acme.running.sandbox.inside["linear"]
    issue = linear.world.issue("OPS-2")
    issue.previous_identifiers = ["ENG-97"]
    name = issue.id if by == "id" else "ENG-97"

    def written() -> list[str]:
        return [one.body for one in linear.world.every(Comment) if one.issue is issue]

    before = written()
    async with acme.agent() as agent:
        answer = await agent.call_tool(TOOL, {"issueId": name, "body": "first"})
        for _ in range(3):  # the connection, the hour, and then the very call
            if not answer.is_error:
                break
            await acme.decide(answer, remember="hour")
            answer = await agent.call_tool(TOOL, {"issueId": name, "body": "first"})
        assert not answer.is_error, text_of(answer)
        asked = await agent.call_tool(TOOL, {"issueId": name, "body": "second"})
        assert error_of(asked)["code"] == "consent_required"
        assert written() == [*before, "first"]
        assert (await acme.decide(asked)).state == "approved"
        done = await agent.call_tool(TOOL, {"issueId": name, "body": "second"})
        assert not done.is_error, text_of(done)
        asked = await agent.call_tool(TOOL, {"issueId": name, "body": "third"})
        assert error_of(asked)["code"] == "consent_required"
