"""A task may leave out mentions: then no text that it lets through notifies anybody, not even one person."""

from __future__ import annotations

from typing import Any

import pytest

from journeys.town import Town, error_of, text_of

SEND: dict[str, Any] = {"tool": "slack_send_message", "count": 5, "notifies": "nobody"}
TASK: dict[str, Any] = {"purpose": "tell the team how it goes", "operations": [SEND], "resources": ["#general"]}
MENTIONS = ["<@U00BOB0002> look", "<!channel> look"]


async def agreed(acme: Town, agent: Any, task: dict[str, Any]) -> dict[str, Any]:
    asked = await agent.call_tool("loaner_propose_task", task)
    assert (await acme.decide(asked)).state == "approved"
    answer = await agent.call_tool("loaner_propose_task", task)
    assert not answer.is_error, text_of(answer)
    return dict(answer.structured_content)


async def test_what_notifies_anybody_is_outside_of_it(acme: Town) -> None:
    slack: Any = acme.running.sandbox.inside["slack"]
    posted = slack.state.channel_named("general").messages
    async with acme.agent() as agent:
        await agreed(acme, agent, TASK)
        quiet = await acme.call(agent, "slack_send_message", {"channel": "#general", "text": "All is well."})
        assert not quiet.is_error, text_of(quiet)
        before = len(posted)
        for text in MENTIONS:
            refused = await agent.call_tool("slack_send_message", {"channel": "#general", "text": text})
            assert error_of(refused)["code"] == "consent_required", text
            assert "it notifies somebody, which the task leaves out" in text_of(refused)
        assert len(posted) == before, "nothing was sent"
        assert (await acme.decide(refused)).state == "approved"
        last = {"channel": "#general", "text": MENTIONS[-1]}
        assert not (await agent.call_tool("slack_send_message", last)).is_error, "a yes to these very words lets it"
        assert len(posted) == before + 1


async def test_what_was_agreed_says_so_to_the_agent(acme: Town) -> None:
    async with acme.agent() as agent:
        (told,) = (await agreed(acme, agent, TASK))["operations"]
        assert (told["notifies"], "arguments" in told) == ("nobody", False)
        (stands,) = ((await agent.call_tool("loaner_status", {})).structured_content or {})["tasks"]
        assert stands["operations"][0]["notifies"] == "nobody"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"notifies": "everybody"}, "notifies"),
        ({"notifies": ""}, "notifies"),
        ({"notifies": True}, "notifies"),
        ({"notifies": ["nobody"]}, "notifies"),
        ({"tool": "slack_read_channel"}, "no text of it notifies anybody"),
        ({"tool": "linear_create_comment"}, "no text of it notifies anybody"),
        ({"arguments": {"@notifies": "nobody"}}, "is none of its parameters"),
        ({"open": ["@notifies"]}, "is none of its parameters"),
    ],
)
async def test_what_it_leaves_out_is_said_in_one_way(acme: Town, changed: dict[str, Any], told: str) -> None:
    async with acme.agent() as agent:
        answer = await agent.call_tool("loaner_propose_task", TASK | {"operations": [SEND | changed]})
    assert error_of(answer)["code"] == "invalid_arguments"
    assert told in text_of(answer)
