"""How a text is sent to Slack, and what a person is told of whom it notifies before they say yes."""

from __future__ import annotations

from typing import Any

import pytest

from journeys.town import Town, text_of
from loaner import catalog

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


@pytest.mark.parametrize("tool", ["slack_send_message", "slack_schedule_message", "slack_update_message"])
def test_the_description_says_what_to_escape(tool: str) -> None:
    about = CATALOG[tool].input_schema["properties"]["text"]["description"]
    assert all(escaped in about for escaped in ("&amp;", "&lt;", "&gt;"))


async def test_markdown_arrives_as_it_was_approved(acme: Town) -> None:
    async with acme.agent() as agent:
        answer = await acme.call(agent, "slack_send_message", MARKDOWN)
    assert not answer.is_error, text_of(answer)
    slack: Any = acme.running.sandbox.inside["slack"]
    assert slack.state.channel_named("general").messages[-1].text == MARKDOWN["text"]
