"""What an approval says of itself is what it allows: on the page, on the person's own page, and to the agent."""

from __future__ import annotations

from typing import Any

from journeys.town import Town, text_of

COMMENT = "github_add_issue_comment"
ISSUE: dict[str, Any] = {"owner": "acme", "repo": "web", "issue_number": 1}


async def test_an_hour_says_how_far_it_goes(acme: Town) -> None:
    """A comment on another issue goes through, so the approval is not “of issue 1”."""
    async with acme.agent() as agent:
        asked = await agent.call_tool(COMMENT, ISSUE | {"body": "One"})
        assert (await acme.decide(asked, remember="hour")).state == "approved"
        for number in (1, 2):
            answer = await agent.call_tool(COMMENT, ISSUE | {"issue_number": number, "body": "One"})
            assert not answer.is_error, text_of(answer)
        (approved,) = ((await agent.call_tool("loaner_status", {})).structured_content or {})["approved"]
    assert approved["what"] == "comment on any issue or pull request of acme/web, any text"
    assert approved["calls_left"] == 98
