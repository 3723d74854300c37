"""A call starts with the least; where the provider names more, the person is asked for that, in one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from journeys.town import Town, error_of, text_of
from loaner.sandbox.slack.call import Call
from loaner.sandbox.slack.errors import SlackError

GENERAL = {"channel": "C0SBX000002"}


def private(acme: Town) -> str:
    """The id of a private channel: nothing in it tells its kind."""
    slack: Any = acme.running.sandbox.inside["slack"]
    return next(each.id for each in slack.state.conversations.values() if each.name == "board")


async def test_a_private_channel_is_asked_for_when_slack_names_its_scope(acme: Town) -> None:
    board = {"channel": private(acme)}
    async with acme.agent() as agent:
        assert not (await acme.call(agent, "slack_read_channel", GENERAL)).is_error
        asked = await agent.call_tool("slack_read_channel", board)
        told = error_of(asked)
        assert told["code"] == "consent_required", text_of(asked)
        assert "Slack wants groups:history for this, and channels:history" in text_of(asked)
        assert "Repeat the call with channel_type “private_channel”." in text_of(asked)
        assert "repeat this exact call" not in text_of(asked)
        (refused,) = await acme.records(tool="slack_read_channel", code="scope_not_grantable")
        assert refused["granted_permissions"] == ["channels:history"]

        assert (await acme.decide(asked)).state == "approved"
        again = await agent.call_tool("slack_read_channel", board)
        assert error_of(again)["code"] == "scope_not_grantable"
        assert "Repeat the call with channel_type “private_channel”." in text_of(again)
        assert "url" not in error_of(again), "nothing is left to ask"

        read = await agent.call_tool("slack_read_channel", board | {"channel_type": "private_channel"})
        assert not read.is_error, text_of(read)
        _, record = await acme.records(tool="slack_read_channel", outcome="ok")
        assert record["granted_permissions"] == ["groups:history"]
        assert await acme.loaner.drifts.all() == [], "a case of ours is no drift"


async def test_a_no_to_the_step_up_is_a_no(acme: Town) -> None:
    board = {"channel": private(acme)}
    async with acme.agent() as agent:
        assert not (await acme.call(agent, "slack_read_channel", GENERAL)).is_error
        asked = await agent.call_tool("slack_read_channel", board)
        assert (await acme.decide(asked, deny=True)).state == "denied"
        assert error_of(await agent.call_tool("slack_read_channel", board))["code"] == "consent_denied"


async def test_a_permission_that_no_case_knows_is_refused_and_noted(
    acme: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise SlackError("missing_scope", needed="channels:history.bulk", provided="channels:history")

    async with acme.agent() as agent:
        assert not (await acme.call(agent, "slack_read_channel", GENERAL)).is_error
        monkeypatch.setattr(Call, "need_kind", refuse)
        refused = await agent.call_tool("slack_read_channel", GENERAL)
    assert error_of(refused)["code"] == "scope_not_grantable"
    assert "Slack wants channels:history.bulk for this" in text_of(refused)
    await acme.loaner.drifts.settled()
    (drift,) = await acme.loaner.drifts.all()
    assert (drift.kind, drift.named) == ("less", "channels:history.bulk")
