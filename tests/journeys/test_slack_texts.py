"""How a text is sent to Slack, and what a person is told of whom it notifies before they say yes."""

from __future__ import annotations

from typing import Any

import pytest

from journeys.town import Town, error_of, text_of
from loaner import catalog
from loaner.catalog.mentions import mentioned
from loaner.errors import InvalidArguments

CATALOG = catalog.load()
MARKDOWN = {"channel": "#general", "text": "a < b && **bold**"}


def sent(**arguments: Any) -> Any:
    return CATALOG["slack_send_message"].bind(MARKDOWN | arguments).plan()[-1].body


def test_a_text_is_markdown_unless_it_is_said_to_be_slacks_own() -> None:
    """``markdown_text`` and ``text`` may not be sent together."""
    assert sent()["markdown_text"] == MARKDOWN["text"]
    assert "text" not in sent()
    assert sent(format="mrkdwn")["text"] == MARKDOWN["text"]
    assert "markdown_text" not in sent(format="mrkdwn")


WRITES: dict[str, dict[str, Any]] = {
    "slack_send_message": {"channel": "#general"},
    "slack_schedule_message": {"channel": "#general", "post_at": 1_900_000_000},
    "slack_update_message": {"channel": "C0000001", "ts": "1700000000.000100"},
}


@pytest.mark.parametrize("tool", WRITES)
def test_markdown_that_slack_would_refuse_is_refused_before_anybody_is_asked(tool: str) -> None:
    """The documented most of ``markdown_text``; Slack's own markup may be longer."""
    operation, text = CATALOG[tool], "x" * 12_001
    with pytest.raises(InvalidArguments, match="text must have at most 12000 characters"):
        operation.bind(WRITES[tool] | {"text": text})
    assert operation.bind(WRITES[tool] | {"text": text[1:]}).plan()[-1].body["markdown_text"] == text[1:]  # type: ignore[index]
    bound = operation.bind(WRITES[tool] | {"text": text, "format": "mrkdwn"})
    assert bound.plan()[-1].body["text"] == text  # type: ignore[index]


ANSWER = {"thread_ts": "1700000000.000100", "text": "done"}


@pytest.mark.parametrize("tool", ["slack_send_message", "slack_schedule_message"])
def test_an_answer_that_the_whole_channel_sees_is_none_inside_of_its_thread(tool: str) -> None:
    operation = CATALOG[tool]
    quiet = operation.bind(WRITES[tool] | ANSWER)
    shown = operation.bind(WRITES[tool] | ANSWER | {"reply_broadcast": True})
    assert quiet.scope.narrower == "thread:#general/1700000000.000100"
    assert shown.scope.narrower == "broadcast:#general/1700000000.000100"
    assert shown.plan()[-1].body["reply_broadcast"] is True  # type: ignore[index]
    with pytest.raises(InvalidArguments, match="thread_ts is required"):
        operation.bind(WRITES[tool] | {"text": "done", "reply_broadcast": True})


@pytest.mark.parametrize("tool", WRITES)
def test_the_description_says_what_to_escape(tool: str) -> None:
    about = CATALOG[tool].input_schema["properties"]["text"]["description"]
    assert all(escaped in about for escaped in ("&amp;", "&lt;", "&gt;"))


async def test_markdown_arrives_as_it_was_approved(acme: Town) -> None:
    async with acme.agent() as agent:
        answer = await acme.call(agent, "slack_send_message", MARKDOWN)
    assert not answer.is_error, text_of(answer)
    slack: Any = acme.running.sandbox.inside["slack"]
    assert slack.state.channel_named("general").messages[-1].text == MARKDOWN["text"]


@pytest.mark.parametrize(
    ("text", "notified"),
    [
        ("hello", []),
        ("mail me@channel.example", []),
        ("<!channel> and <!everyone>", [("everybody in the channel", 2)]),
        ("<!here|here>", [("everybody who is there now", 1)]),
        ("@channel, look", [("everybody in the channel", 1)]),
        ("_@channel_ and __@Everyone__", [("everybody in the channel", 2)]),
        ("_@here_", [("everybody who is there now", 1)]),
        ("<!subteam^S0001|@ops>", [("a group", 1)]),
        ("<@U00BOB0002> <@U00BOB0002|bob>", [("a person", 2)]),
    ],
)
def test_whom_a_text_notifies_is_counted(text: str, notified: list[tuple[str, int]]) -> None:
    bound = CATALOG["slack_send_message"].bind({"channel": "#general", "text": text})
    assert [(one.mention.who, len(one.found)) for one in mentioned(bound)] == notified


RINGING = {"channel": "#general", "text": "<!channel> look, <@U00BOB0002>"}
TASK: dict[str, Any] = {
    "purpose": "tell the team how it goes",
    "operations": [{"tool": "slack_send_message", "count": 5}],
    "resources": ["#general"],
}


async def test_a_task_for_any_text_lets_no_text_through_that_notifies_many(acme: Town) -> None:
    """MUST 28: an injected one is put before the person, with its exact words."""
    async with acme.agent() as agent:
        asked = await agent.call_tool("loaner_propose_task", TASK)
        assert (await acme.decide(asked)).state == "approved"
        quiet = await acme.call(agent, "slack_send_message", RINGING | {"text": "hi <@U00BOB0002>"})
        assert not quiet.is_error, text_of(quiet)
        ringing = await agent.call_tool("slack_send_message", RINGING)
        assert error_of(ringing)["code"] == "consent_required"
        assert "notifies many people" in text_of(ringing)
        assert (await acme.decide(ringing)).state == "approved"
        assert not (await agent.call_tool("slack_send_message", RINGING)).is_error
        again = await agent.call_tool("slack_send_message", RINGING)
        assert error_of(again)["code"] == "consent_required"
