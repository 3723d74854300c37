"""Consent completed by the MCP SDK's own client, in both eras: what its user chooses, and what came of it at Slack.

Everything is real but the person: the client's dialog, the server over HTTP, loaner's pages, the provider.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import anyio.to_thread
import pytest
from mcp import MCPError
from mcp_types import ElicitRequestURLParams, ElicitResult

from journeys.town import EVERYTHING, Town, error_of, text_of, town
from loaner.sandbox.person import Person

POST = {"channel": "#releases", "text": "v1.4.0 is out"}
Choice = Literal["accept", "decline", "cancel"]


@pytest.fixture
async def acme(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path / "home", consent={"hold_seconds": 20}) as built:
        yield built


class Dialog:
    """A client's dialog for an address, and alice in front of it. Accepting it opens the page, where she decides."""

    def __init__(self, acme: Town, choice: Choice, *, deny: bool = False) -> None:
        self.acme, self.choice, self.deny = acme, choice, deny
        self.asked: list[ElicitRequestURLParams] = []
        self._shown = anyio.Event()

    async def __call__(self, _: Any, params: Any) -> ElicitResult:
        assert isinstance(params, ElicitRequestURLParams)
        self.asked.append(params)
        self._shown.set()
        if self.choice == "decline":
            self.acme.advance(seconds=5)  # read, and then refused
        return ElicitResult(action=self.choice)

    async def walk(self) -> None:
        """Wait for the dialog, then go through the page."""
        await self._shown.wait()
        await visit(self.acme, self.asked[-1].url, deny=self.deny)


async def visit(acme: Town, url: str, *, deny: bool = False) -> None:
    alice = Person("alice", acme.sandbox_url)
    await anyio.to_thread.run_sync(
        lambda: alice.visit(url, loaner_url=acme.loaner.base_url, deny=deny, choose=EVERYTHING)
    )


def posted(acme: Town) -> int:
    """How often Slack was told to post."""
    uses = [use for entry in acme.ledger(provider="slack") for use in entry["uses"]]
    return sum(use["path"].endswith("chat.postMessage") for use in uses)


async def test_accepting_holds_the_call_until_the_person_agreed_and_answers_it(acme: Town) -> None:
    """One visit connects the account and approves the message; the client repeats nothing by hand."""
    dialog = Dialog(acme, "accept")
    async with acme.agent(elicitation_callback=dialog) as agent, anyio.create_task_group() as group:
        group.start_soon(dialog.walk)
        answer = await agent.call_tool("slack_send_message", POST)
    assert not answer.is_error, text_of(answer)
    assert len(dialog.asked) == posted(acme) == 1
    (asked,) = dialog.asked
    assert asked.url.startswith(f"{acme.loaner.base_url}/consent/")
    assert "post one message in #releases" in asked.message


async def test_a_no_on_the_page_ends_the_held_call(acme: Town) -> None:
    dialog = Dialog(acme, "accept", deny=True)
    async with acme.agent(elicitation_callback=dialog) as agent, anyio.create_task_group() as group:
        group.start_soon(dialog.walk)
        answer = await agent.call_tool("slack_send_message", POST)
    assert error_of(answer)["code"] == "consent_denied"
    assert posted(acme) == 0


async def test_declining_in_the_client_is_a_no_for_the_page_too(acme: Town) -> None:
    dialog = Dialog(acme, "accept")
    async with acme.agent(elicitation_callback=dialog) as agent:
        async with anyio.create_task_group() as group:  # a page opens for this client
            group.start_soon(dialog.walk)
            await agent.call_tool("slack_send_message", POST)
        dialog.choice = "decline"
        answer = await agent.call_tool("slack_send_message", POST | {"text": "again"})
        assert error_of(answer)["code"] == "consent_denied"
        assert dialog.asked[1].url in text_of(answer)
        assert (await agent.call_tool("loaner_status", {})).structured_content["pending"] == []  # type: ignore[index]
    outcome = await anyio.to_thread.run_sync(
        lambda: Person("alice", acme.sandbox_url).visit(dialog.asked[1].url, loaner_url=acme.loaner.base_url)
    )
    assert outcome.state == "denied"
    assert posted(acme) == 1
    (said,) = await acme.records(kind="denied")
    assert "refused after 5." in said["reason"]


async def test_declining_before_any_answer_on_a_page_is_no_answer(acme: Town) -> None:
    """Nobody can tell that a person saw the dialog: the agent gets the link, and the question stands."""
    dialog = Dialog(acme, "decline")
    async with acme.agent(elicitation_callback=dialog) as agent:
        answer = await agent.call_tool("slack_send_message", POST)
        assert error_of(answer)["code"] == "consent_pending"
        assert dialog.asked[0].url in text_of(answer)
        await visit(acme, dialog.asked[0].url)
        assert not (await agent.call_tool("slack_send_message", POST)).is_error
    assert posted(acme) == 1


async def test_cancelling_is_no_answer_and_the_question_still_stands(acme: Town) -> None:
    dialog = Dialog(acme, "cancel")
    async with acme.agent(elicitation_callback=dialog) as agent:
        answer = await agent.call_tool("slack_send_message", POST)
        assert error_of(answer)["code"] == "consent_pending"
        await visit(acme, dialog.asked[0].url)
        again = await agent.call_tool("slack_send_message", POST)
    assert not again.is_error, text_of(again)
    assert posted(acme) == 1


async def test_a_task_is_agreed_to_up_the_same_ladder(acme: Town) -> None:
    dialog = Dialog(acme, "accept")
    task = {
        "purpose": "announce",
        "operations": [{"tool": "slack_send_message", "count": 1}],
        "resources": ["#releases"],
    }
    async with acme.agent(elicitation_callback=dialog) as agent, anyio.create_task_group() as group:
        group.start_soon(dialog.walk)
        told = await agent.call_tool("loaner_propose_task", task)
    assert told.structured_content is not None, text_of(told)
    assert told.structured_content["operations"] == [{"tool": "slack_send_message", "calls_left": 1}]


@pytest.mark.parametrize("deny", [False, True])
async def test_the_earlier_era_is_given_the_address_in_an_error_and_repeats_the_call(acme: Town, *, deny: bool) -> None:
    dialog = Dialog(acme, "accept")
    async with acme.agent(mode="legacy", elicitation_callback=dialog) as agent:
        with pytest.raises(MCPError) as asked:
            await agent.call_tool("slack_send_message", POST)
        (ask,) = asked.value.data["elicitations"]
        assert (asked.value.code, ask["mode"]) == (-32042, "url")
        await visit(acme, ask["url"], deny=deny)
        answer = await agent.call_tool("slack_send_message", POST)
    assert answer.is_error is deny
    assert posted(acme) == (not deny)


@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_a_client_without_dialogs_shows_words_and_repeats_the_call(acme: Town, era: str) -> None:
    async with acme.agent(mode=era) as agent:
        answer = await agent.call_tool("slack_send_message", POST)
        url = error_of(answer)["url"]
        assert url in text_of(answer)
        await visit(acme, url)
        assert not (await agent.call_tool("slack_send_message", POST)).is_error
    assert posted(acme) == 1
