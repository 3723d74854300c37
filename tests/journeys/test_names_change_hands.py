"""A yes for a name is one for the thing that had it: a name that means another thing now is asked about again."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest

from journeys.town import Town, error_of, text_of, town

SEND = ("slack_send_message", {"channel": "#releases", "text": "v1.4.0 is out"})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(tmp_path_factory.mktemp("hands"), tools={"toolsets": ("all",)}) as built:
        yield built


def channels(acme: Town) -> dict[str, Any]:
    slack: Any = acme.running.sandbox.inside["slack"]
    return {one.name: one for one in slack.state.conversations.values()}


def swapped(acme: Town) -> tuple[Any, Any]:
    """``#releases`` is renamed, and ``#random`` takes its name."""
    found = channels(acme)
    found["releases"].name, found["random"].name = "releases-2025", "releases"
    return found["releases"], found["random"]


def writes(acme: Town) -> list[dict[str, Any]]:
    uses = [use for entry in acme.ledger(provider="slack") for use in entry["uses"]]
    return [use for use in uses if use["path"].endswith("chat.postMessage")]


async def may_ask_for_names(acme: Town, agent: Any) -> None:
    """A grant that posts and reads names, as this call needs it; there is no such message."""
    nothing = {"channel": "#releases", "ts": "1700000000.000100", "text": "x"}
    assert error_of(await acme.call(agent, "slack_update_message", nothing))["code"] == "not_found"


async def for_an_hour(acme: Town, agent: Any, *, names: bool = True) -> None:
    """Connect, with or without the right to ask for names, then approve for an hour."""
    if names:
        await may_ask_for_names(acme, agent)
    answer = await agent.call_tool(*SEND)
    outcome = await acme.decide(answer, remember="hour")
    assert outcome.state == "approved"
    assert not (await agent.call_tool(*SEND)).is_error


async def test_an_hours_yes_does_not_follow_the_name_to_another_channel(acme: Town) -> None:
    """MUST 28: of the resource that the person agreed to, whatever is called so now."""
    async with acme.agent() as agent:
        await for_an_hour(acme, agent)
        assert not (await agent.call_tool(*SEND)).is_error, "it is good for more than once"
        before, (old, new) = writes(acme), swapped(acme)
        asked = await agent.call_tool(*SEND)
        assert error_of(asked)["code"] == "consent_required"
        assert writes(acme) == before, "the provider saw nothing but the look-up"
        outcome = await acme.decide(asked)
        assert outcome.state == "approved"
        answer = await agent.call_tool(*SEND)
        assert (answer.structured_content or {})["channel"] == new.id, text_of(answer)
        assert error_of(await agent.call_tool(*SEND))["code"] == "consent_required", "and that was for once"
        old.name, new.name = "releases", "random"
        answer = await agent.call_tool(*SEND)
        assert (answer.structured_content or {})["channel"] == old.id, "the hour is not over"


async def test_where_names_cannot_be_asked_for_the_yes_stays_with_the_channel_that_it_was_for(acme: Town) -> None:
    """MUST 28."""
    async with acme.agent() as agent:
        await for_an_hour(acme, agent, names=False)
        old, _ = swapped(acme)
        answer = await agent.call_tool(*SEND)
        assert (answer.structured_content or {})["channel"] == old.id, "and not whatever took its name"


async def test_a_task_stays_with_what_its_names_meant_at_its_first_call(acme: Town) -> None:
    """MUST 28."""
    async with acme.agent() as agent:
        await may_ask_for_names(acme, agent)
        task = {
            "purpose": "announce the release",
            "operations": [{"tool": SEND[0], "count": 5}],
            "resources": ["#Releases"],
        }
        assert (await acme.decide(await agent.call_tool("loaner_propose_task", task))).state == "approved"
        assert not (await agent.call_tool(*SEND)).is_error
        swapped(acme)
        before = writes(acme)
        assert (await agent.call_tool(*SEND)).is_error
        assert writes(acme) == before


async def test_an_hours_yes_does_not_follow_the_name_to_another_repository(acme: Town) -> None:
    """MUST 28."""
    github: Any = acme.running.sandbox.inside["github"]
    world = github.world
    web = next(one for one in world.repositories.values() if one.name == "web")
    say = ("github_add_issue_comment", {"owner": "acme", "repo": "web", "issue_number": 1, "body": "Looking into it."})
    async with acme.agent() as agent:
        assert not (await acme.call(agent, "github_get_me", {})).is_error
        asked = await agent.call_tool(*say)
        assert (await acme.decide(asked, remember="hour")).state == "approved"
        for _ in range(2):
            assert not (await agent.call_tool(*say)).is_error
        other = copy.deepcopy(web)
        other.id = 7002
        web.name = "web-2025"
        world.repositories[other.id] = other
        before = len(other.issues[1].comments)
        again = await agent.call_tool(*say)
        assert error_of(again)["code"] == "consent_required"
        assert len(other.issues[1].comments) == before
        assert (await acme.decide(again)).state == "approved"
        assert not (await agent.call_tool(*say)).is_error
        assert len(other.issues[1].comments) == before + 1
