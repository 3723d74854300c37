"""A yes for a name is one for the thing that had it: a name that means another thing now is asked about again."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select

from journeys.town import Town, error_of, text_of, town
from loaner.consent import requests
from loaner.consent.new_approval import HOUR_USES
from loaner.consent.requests import ConsentRequest
from loaner.store.tables import approvals
from loaner.web import texts

COMMENT = ("github_add_issue_comment", {"owner": "acme", "repo": "web", "issue_number": 1, "body": "Looking into it."})
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


async def test_what_a_name_meant_to_one_tool_of_a_task_it_means_to_all(acme: Town) -> None:
    """MUST 28: a task was agreed to as a whole."""
    topic = ("slack_set_topic", {"channel": "#releases", "topic": "v1.4.0"})
    async with acme.agent() as agent:
        await may_ask_for_names(acme, agent)
        assert not (await acme.call(agent, *topic)).is_error
        task = {
            "purpose": "announce the release",
            "operations": [{"tool": SEND[0], "count": 5}, {"tool": topic[0], "count": 5}],
            "resources": ["#releases"],
        }
        assert (await acme.decide(await agent.call_tool("loaner_propose_task", task))).state == "approved"
        assert not (await agent.call_tool(*SEND)).is_error
        old, new = swapped(acme)
        answer = await agent.call_tool("slack_set_topic", topic[1] | {"topic": "another"})
        assert error_of(answer)["code"] == "consent_required", text_of(answer)
        assert "another" not in {old.topic, new.topic}


async def test_an_hours_yes_does_not_follow_the_name_to_another_repository(acme: Town) -> None:
    """MUST 28."""
    github: Any = acme.running.sandbox.inside["github"]
    world = github.world
    web = next(one for one in world.repositories.values() if one.name == "web")
    say = COMMENT
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


async def question(acme: Town, answer: Any) -> ConsentRequest:
    """What its page says, as it is kept."""
    asked = await acme.loaner.store.read(lambda c: requests.get(c, handle_of(answer)))
    assert asked
    return asked


def handle_of(answer: Any) -> str:
    return str(error_of(answer)["url"]).rpartition("/")[2]


async def test_the_person_sees_the_id_and_a_name_that_moves_before_the_yes_is_asked_about_again(acme: Town) -> None:
    """MUST 28: one call, approved once; the channel is swapped between the question and the yes."""
    async with acme.agent() as agent:
        await may_ask_for_names(acme, agent)
        asked = await agent.call_tool(*SEND)
        old_id = channels(acme)["releases"].id
        told = texts.limits(await question(acme, asked), acme.loaner.catalog.providers["slack"])
        assert any(old_id in line.text and line.code == "#releases" for line in told), "it is on the page"
        again = await agent.call_tool(*SEND)
        assert handle_of(again) == handle_of(asked), "a repeat meets the question that waits"
        assert len(await acme.records(kind="look_up")) == 1, "and does not look again"
        _, new = swapped(acme)
        assert (await acme.decide(asked)).state == "approved"
        before = writes(acme)
        asked = await agent.call_tool(*SEND)
        assert error_of(asked)["code"] == "consent_required"
        assert writes(acme) == before, "the provider saw nothing but look-ups"
        assert (await question(acme, asked)).shown["ids"]["channel:#releases"] == new.id
        assert (await acme.decide(asked)).state == "approved"
        answer = await agent.call_tool(*SEND)
        assert (answer.structured_content or {})["channel"] == new.id, text_of(answer)


async def test_a_look_up_has_its_own_least_scope_and_record(acme: Town) -> None:
    """MUST 28."""
    async with acme.agent() as agent:
        assert not (await acme.call(agent, "github_get_me", {})).is_error
        await agent.call_tool(*COMMENT)
    (looked,) = await acme.records(kind="look_up")
    assert looked["effect"] == "read"
    assert looked["needed_permissions"] == looked["granted_permissions"] == ["metadata:read"]
    assert looked["resource"] == "repository:acme/web"
    assert looked["returned_confirmed"]
    assert not await acme.open_loans()


async def test_an_exact_yes_for_a_repository_is_held_to_it_by_github_itself(acme: Town) -> None:
    """MUST 28: the credential is for the repository's id, so that a name that is another's now reaches nothing."""
    github: Any = acme.running.sandbox.inside["github"]
    world = github.world
    web = next(one for one in world.repositories.values() if one.name == "web")
    async with acme.agent() as agent:
        assert not (await acme.call(agent, "github_get_me", {})).is_error
        asked = await agent.call_tool(*COMMENT)
        assert (await acme.decide(asked)).state == "approved"
        other = copy.deepcopy(web)
        other.id = 7002
        web.name = "web-2025"
        world.repositories[other.id] = other
        before = len(other.issues[1].comments)
        asked = await agent.call_tool(*COMMENT)
        assert error_of(asked)["code"] == "consent_required", text_of(asked)
        assert len(other.issues[1].comments) == before
        assert (await question(acme, asked)).shown["ids"]["repository:acme/web"] == "7002"
        assert (await acme.decide(asked)).state == "approved"
        assert not (await agent.call_tool(*COMMENT)).is_error
        assert len(other.issues[1].comments) == before + 1
        asked = await agent.call_tool(*COMMENT)
        assert (await acme.decide(asked)).state == "approved"
        del world.repositories[other.id]
        web.name = "web"
        again = await agent.call_tool(*COMMENT)
        assert error_of(again)["code"] == "consent_required", "gone, and the name is another's again"


async def test_a_use_is_given_back_once_where_another_yes_covers_the_new_thing(acme: Town) -> None:
    """MUST 28: as often as the person agreed to, and no more often."""
    github: Any = acme.running.sandbox.inside["github"]
    world = github.world
    web = next(one for one in world.repositories.values() if one.name == "web")
    other_text = (COMMENT[0], COMMENT[1] | {"body": "Found it."})
    async with acme.agent() as agent:
        assert not (await acme.call(agent, "github_get_me", {})).is_error
        assert (await acme.decide(await agent.call_tool(*COMMENT))).state == "approved"
        other = copy.deepcopy(web)
        del world.repositories[web.id]
        other.id = 7002
        world.repositories[other.id] = other
        assert (await acme.decide(await agent.call_tool(*other_text), remember="hour")).state == "approved"
        refused = await agent.call_tool(*COMMENT)
        assert error_of(refused)["code"] == "provider_unavailable", text_of(refused)
        rows = await acme.loaner.store.read(lambda c: c.execute(select(approvals.c.ended_at, approvals.c.uses_left)))
        assert [row.uses_left for row in rows if not row.ended_at and row.uses_left is not None] == [HOUR_USES]


async def test_what_is_asked_with_a_known_id_takes_no_look_before_the_write(acme: Town) -> None:
    async with acme.agent() as agent:
        assert not (await acme.call(agent, "github_get_me", {})).is_error
        assert (await acme.decide(await agent.call_tool(*COMMENT), remember="hour")).state == "approved"
        assert not (await agent.call_tool(*COMMENT)).is_error
        await acme.settled()
        uses = [use for entry in acme.ledger(provider="github") for use in entry["uses"]]
        posted = [use for use in uses if use["path"].endswith("/comments")]
        looks = [use for use in uses if use["path"].endswith("/repos/acme/web")]
        assert (len(posted), len(looks)) == (1, 1), "the look is that of the question"


LINEAR = ("linear_create_comment", {"issueId": "ENG-1", "body": "Looking into it."})


async def test_an_identifier_that_is_another_issues_by_the_time_of_the_yes_is_asked_about_again(acme: Town) -> None:
    """MUST 28."""
    linear: Any = acme.running.sandbox.inside["linear"]
    async with acme.agent() as agent:
        assert not (await acme.call(agent, *LINEAR)).is_error
        asked = await agent.call_tool(*LINEAR)
        one, two = linear.world.issue("ENG-1"), linear.world.issue("ENG-2")
        assert (await question(acme, asked)).shown["known"] == {"name": "ENG-1", "id": one.id}
        one.number, two.number = two.number, one.number
        assert (await acme.decide(asked)).state == "approved"
        asked = await agent.call_tool(*LINEAR)
        assert error_of(asked)["code"] == "consent_required", text_of(asked)
        assert (await question(acme, asked)).shown["ids"]["issue:ENG-1"] == two.id


def identified(acme: Town, name: str) -> tuple[str, str]:
    """The same channel or issue, by its name and by its id."""
    linear: Any = acme.running.sandbox.inside["linear"]
    return {"#releases": channels(acme)["releases"].id, "ENG-1": linear.world.issue("ENG-1").id}[name], name


@pytest.mark.parametrize("first", ["name", "id"])
@pytest.mark.parametrize(("call", "of", "resource"), [(SEND, "channel", "#releases"), (LINEAR, "issueId", "ENG-1")])
async def test_an_hours_yes_for_a_thing_is_one_by_each_of_its_names(
    acme: Town, call: tuple[str, dict[str, Any]], of: str, resource: str, first: str
) -> None:
    tool, arguments = call
    names = identified(acme, resource)
    one, other = names if first == "id" else reversed(names)
    async with acme.agent() as agent:
        await may_ask_for_names(acme, agent)
        assert not (await acme.call(agent, *LINEAR)).is_error
        asked = await agent.call_tool(tool, arguments | {of: one})
        assert (await acme.decide(asked, remember="hour")).state == "approved"
        assert not (await agent.call_tool(tool, arguments | {of: one})).is_error
        answer = await agent.call_tool(tool, arguments | {of: other})
        assert not answer.is_error, text_of(answer)


async def test_two_names_of_one_thing_meet_one_question(acme: Town) -> None:
    """MUST 28: and its page says the name that people know."""
    by_id, by_name = identified(acme, "#releases")
    async with acme.agent() as agent:
        await may_ask_for_names(acme, agent)
        asked = await agent.call_tool(SEND[0], SEND[1] | {"channel": by_id})
        again = await agent.call_tool(SEND[0], SEND[1] | {"channel": by_name})
        assert handle_of(asked) == handle_of(again)
        assert "#releases" in (await question(acme, asked)).shown["phrase"]
        assert (await acme.decide(asked)).state == "approved"
        assert not (await agent.call_tool(SEND[0], SEND[1] | {"channel": by_id})).is_error
        assert error_of(await agent.call_tool(*SEND))["code"] == "consent_required", "that was for once"


@pytest.mark.parametrize("agreed", ["name", "id"])
async def test_a_task_on_a_thing_is_one_by_each_of_its_names(acme: Town, agreed: str) -> None:
    by_id, by_name = identified(acme, "#releases")
    other = channels(acme)["random"].id
    async with acme.agent() as agent:
        await may_ask_for_names(acme, agent)
        task = {
            "purpose": "announce the release",
            "operations": [{"tool": SEND[0], "count": 3}],
            "resources": [by_name if agreed == "name" else by_id],
        }
        assert (await acme.decide(await agent.call_tool("loaner_propose_task", task))).state == "approved"
        for channel in (by_name, by_id):
            answer = await agent.call_tool(SEND[0], {"channel": channel, "text": "out"})
            assert not answer.is_error, text_of(answer)
        asked = await agent.call_tool(SEND[0], {"channel": other, "text": "out"})
        assert "outside the task" in text_of(asked)
