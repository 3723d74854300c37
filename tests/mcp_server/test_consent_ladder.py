"""How a person is asked, by what the client declared. The clients are the SDK's own."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from mcp import Client, MCPError
from mcp_types import (
    ClientCapabilities,
    ElicitationCapability,
    ElicitRequestURLParams,
    ElicitResult,
    FormElicitationCapability,
    InputRequiredResult,
)

from loaner.errors import ConsentDenied
from loaner.identity.local_person import local_subject
from loaner.mcp_server.consent_ladder import MAX_ROUNDS
from loaner.mcp_server.replies import ERROR_META
from loaner.mcp_server.server import build
from loaner.mcp_server.stdio import local_caller
from mcp_server.fakes import CODE, HANDLE, URL, FakeLoaner, consent_needed

TOOL, ARGUMENTS = "slack_send_message", {"text": "hi"}


class Person:
    """Answers the client's dialogs."""

    def __init__(self, action: str) -> None:
        self.action = action
        self.asked: list[Any] = []

    async def __call__(self, _: Any, params: Any) -> ElicitResult:
        self.asked.append(params)
        return ElicitResult(action=self.action)  # type: ignore[arg-type]


def client(served: FakeLoaner, era: str = "auto", person: Person | None = None) -> Client:
    """A person makes the SDK's client declare that it opens URLs; without one it declares nothing."""
    return Client(build(served, local_caller("testing")), mode=era, elicitation_callback=person)


async def test_a_client_that_opens_urls_waits_for_the_person_and_gets_the_result(served: FakeLoaner) -> None:
    served.journey.script = [consent_needed(), {"n": 9}]
    served.consents.states = ["approved"]
    person = Person("accept")
    async with client(served, person=person) as agent:
        result = await agent.call_tool(TOOL, ARGUMENTS)
    assert result.structured_content == {"n": 9}
    (ask,) = person.asked
    assert isinstance(ask, ElicitRequestURLParams)
    assert (ask.url, ask.message) == (URL, f"{CODE} · post one message in #releases")
    assert served.consents.waited == [(HANDLE, 7)]
    first, second = (call for call, _ in served.journey.calls)
    assert (first.tool, first.arguments) == (second.tool, second.arguments)
    assert first.id != second.id


async def test_while_the_person_thinks_the_journey_is_not_bothered(served: FakeLoaner) -> None:
    served.journey.script = [consent_needed(), {"n": 9}]
    served.consents.states = ["pending", "linking", "pending", "approved"]
    async with client(served, person=Person("accept")) as agent:
        result = await agent.call_tool(TOOL, ARGUMENTS)
    assert result.structured_content == {"n": 9}
    assert (len(served.consents.waited), len(served.journey.calls)) == (4, 2)


async def test_waiting_ends_with_words_before_a_client_gives_up(served: FakeLoaner) -> None:
    served.journey.then = lambda _call, _caller: consent_needed(fresh=len(served.journey.calls) == 1)
    async with client(served, person=Person("accept")) as agent:
        result = await agent.call_tool(TOOL, ARGUMENTS)
    assert result.is_error
    assert result.content[0].text.startswith("consent_pending: still waiting on WDJB-MJHT")
    assert len(served.consents.waited) == MAX_ROUNDS < 10


def answered_after(served: FakeLoaner, seconds: float, action: str = "decline") -> Person:
    """A client that answers so long after it was asked."""
    moment = datetime(2026, 11, 22, 12, tzinfo=UTC)
    served.now = lambda: moment

    class Slow(Person):
        async def __call__(self, context: Any, params: Any) -> ElicitResult:
            nonlocal moment
            moment += timedelta(seconds=seconds)
            return await super().__call__(context, params)

    return Slow(action)


async def test_decline_is_a_no_and_nothing_more_is_tried(served: FakeLoaner) -> None:
    served.journey.script = [consent_needed()]
    async with client(served, person=answered_after(served, 1.5)) as agent:
        result = await agent.call_tool(TOOL, ARGUMENTS)
    assert result.is_error
    assert result.content[0].text.startswith("consent_denied: the user refused")
    assert f"/consent/{HANDLE}" in result.content[0].text, "whoever did not say no finds the question"
    assert (result.meta or {})[ERROR_META]["code"] == "consent_denied"
    assert len(served.journey.calls) == 1
    assert served.consents.waited == []
    assert served.consents.denied == [(HANDLE, local_subject(), "client-dialog")]


@pytest.mark.parametrize(("seconds", "reached"), [(0.01, True), (1.4, True), (0, False), (60, False)])
async def test_a_decline_that_nobody_can_have_given_falls_back_to_words(
    served: FakeLoaner, seconds: float, reached: bool
) -> None:
    """A client without a screen declines by itself: sooner than anybody reads, or where no page was ever answered."""
    served.consents.reached = reached
    served.journey.then = lambda _call, _caller: consent_needed(fresh=False)
    async with client(served, person=answered_after(served, seconds)) as agent:
        result = await agent.call_tool(TOOL, ARGUMENTS)
    assert result.is_error
    assert (result.meta or {})[ERROR_META]["code"] == "consent_pending"
    assert URL in result.content[0].text
    assert served.consents.denied == served.consents.waited == []


async def test_cancel_is_no_answer_and_falls_back_to_words(served: FakeLoaner) -> None:
    served.journey.then = lambda _call, _caller: consent_needed(fresh=False)
    async with client(served, person=Person("cancel")) as agent:
        result = await agent.call_tool(TOOL, ARGUMENTS)
    assert result.is_error
    assert URL in result.content[0].text
    assert served.consents.waited == served.consents.denied == []


async def test_a_denial_on_the_page_reaches_the_waiting_agent(served: FakeLoaner) -> None:
    served.journey.script = [consent_needed(), ConsentDenied("the user refused this operation.")]
    served.consents.states = ["denied"]
    async with client(served, person=Person("accept")) as agent:
        result = await agent.call_tool(TOOL, ARGUMENTS)
    assert result.content[0].text.startswith("consent_denied")


async def test_an_expired_asking_is_followed_by_a_new_one_within_the_same_count(served: FakeLoaner) -> None:
    served.journey.script = [consent_needed(), consent_needed(handle="g" * 32), {"n": 1}]
    served.consents.states = ["expired", "approved"]
    person = Person("accept")
    async with client(served, person=person) as agent:
        result = await agent.call_tool(TOOL, ARGUMENTS)
    assert result.structured_content == {"n": 1}
    assert [ask.url[-1] for ask in person.asked] == ["h", "g"]


async def test_an_older_client_that_opens_urls_gets_error_32042(served: FakeLoaner) -> None:
    served.journey.script = [consent_needed(), {"n": 2}]
    async with client(served, "legacy", Person("accept")) as agent:
        with pytest.raises(MCPError) as asked:
            await agent.call_tool(TOOL, ARGUMENTS)
        result = await agent.call_tool(TOOL, ARGUMENTS)
    assert asked.value.code == -32042
    (ask,) = asked.value.data["elicitations"]
    assert (ask["mode"], ask["url"], ask["elicitationId"]) == ("url", URL, HANDLE)
    assert result.structured_content == {"n": 2}


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_a_client_that_declares_nothing_is_told_in_words_at_once(served: FakeLoaner, era: str) -> None:
    served.journey.script = [consent_needed()]
    async with client(served, era) as agent:
        result = await agent.call_tool(TOOL, ARGUMENTS)
    assert result.is_error
    assert result.structured_content is None
    assert result.content[0].text == consent_needed().told()
    assert (result.meta or {})[ERROR_META]["url"] == URL
    assert served.consents.waited == []


async def test_a_client_that_only_draws_forms_is_told_in_words(
    served: FakeLoaner, monkeypatch: pytest.MonkeyPatch
) -> None:
    forms_only = ClientCapabilities(elicitation=ElicitationCapability(form=FormElicitationCapability()))
    monkeypatch.setattr("mcp.server.session.ServerSession.client_capabilities", property(lambda _: forms_only))
    served.journey.script = [consent_needed()]
    async with client(served, person=Person("accept")) as agent:
        result = await agent.call_tool(TOOL, ARGUMENTS)
    assert result.is_error


async def asked(agent: Client, **more: Any) -> InputRequiredResult:
    answer = await agent.session.call_tool(TOOL, ARGUMENTS, allow_input_required=True, **more)
    assert isinstance(answer, InputRequiredResult)
    return answer


ACCEPT = {"consent": ElicitResult(action="accept")}


async def test_the_state_shows_nothing_and_is_refused_when_it_is_altered(served: FakeLoaner) -> None:
    """MUST 14: sealed, so that a client can neither read nor make one."""
    served.journey.script = [consent_needed()]
    async with client(served, person=Person("accept")) as agent:
        state = (await asked(agent)).request_state
        assert state is not None
        assert HANDLE not in state
        for forged in (state[:-2] + ("AA" if state[-2:] != "AA" else "BB"), f"0 {HANDLE}", "v1."):
            with pytest.raises(MCPError, match="Invalid or expired requestState") as refused:
                await agent.session.call_tool(TOOL, ARGUMENTS, input_responses=ACCEPT, request_state=forged)
            assert refused.value.code == -32602
    assert len(served.journey.calls) == 1


async def test_the_state_belongs_to_these_arguments_and_this_caller(served: FakeLoaner) -> None:
    """MUST 14: over stdio as well, where the SDK knows no principal."""
    served.journey.script = [consent_needed()]
    async with client(served, person=Person("accept")) as agent:
        state = (await asked(agent)).request_state
        with pytest.raises(MCPError, match="requestState"):
            await agent.session.call_tool(TOOL, {"text": "else"}, input_responses=ACCEPT, request_state=state)
    other = Client(build(served, local_caller("production")), elicitation_callback=Person("accept"))
    async with other as agent:
        with pytest.raises(MCPError, match="requestState"):
            await agent.session.call_tool(TOOL, ARGUMENTS, input_responses=ACCEPT, request_state=state)
    assert len(served.journey.calls) == 1


async def test_a_state_is_good_for_one_turn(served: FakeLoaner) -> None:
    """MUST 14: replayed, it neither waits, nor answers the dialog, nor makes the call."""
    served.journey.script = [consent_needed(), {"n": 1}]
    served.consents.states = ["pending", "approved"]
    decline = {"consent": ElicitResult(action="decline")}
    async with client(served, person=Person("accept")) as agent:
        first = (await asked(agent)).request_state
        second = (await asked(agent, request_state=first, input_responses=ACCEPT)).request_state
        last = await agent.session.call_tool(TOOL, ARGUMENTS, input_responses=ACCEPT, request_state=second)
        assert last.structured_content == {"n": 1}
        for used in (first, second):
            for answers in (ACCEPT, decline, None):
                with pytest.raises(MCPError, match="used before") as refused:
                    await agent.session.call_tool(TOOL, ARGUMENTS, input_responses=answers, request_state=used)
                assert refused.value.code == -32602
    assert (len(served.journey.calls), len(served.consents.waited), served.consents.denied) == (2, 2, [])


async def test_a_state_is_accepted_for_ten_minutes(served: FakeLoaner, monkeypatch: pytest.MonkeyPatch) -> None:
    """MUST 14."""
    served.journey.script = [consent_needed(), {"n": 1}]
    served.consents.states = ["approved"]
    async with client(served, person=Person("accept")) as agent:
        state = (await asked(agent)).request_state
        now = time.time()
        monkeypatch.setattr("mcp.server.request_state.time.time", lambda: now + 601)
        with pytest.raises(MCPError, match="Invalid or expired requestState"):
            await agent.session.call_tool(TOOL, ARGUMENTS, input_responses=ACCEPT, request_state=state)
        monkeypatch.setattr("mcp.server.request_state.time.time", lambda: now + 590)
        answer = await agent.session.call_tool(TOOL, ARGUMENTS, input_responses=ACCEPT, request_state=state)
    assert answer.structured_content == {"n": 1}


async def test_another_replica_with_the_same_key_accepts_the_state(served: FakeLoaner) -> None:
    """MUST 14: the key is derived from the sealing key and not drawn per process."""
    served.journey.script = [consent_needed(), {"n": 4}]
    served.consents.states = ["approved"]
    async with client(served, person=Person("accept")) as agent:
        state = (await asked(agent)).request_state
    async with client(served, person=Person("accept")) as agent:
        result = await agent.session.call_tool(TOOL, ARGUMENTS, input_responses=ACCEPT, request_state=state)
    assert result.structured_content == {"n": 4}


async def test_who_is_held_is_released_when_the_server_ends(
    served: FakeLoaner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By state alone: the client repeats its call, at another replica. One that comes after that is held until no
    connection is accepted any more, or it would only come here again."""
    served.journey.script = [consent_needed()]
    holding = anyio.Event()

    async def for_ever(_: str, seconds: float) -> str:
        if seconds:
            holding.set()
            await anyio.sleep_forever()
        return "pending"

    monkeypatch.setattr(served.consents, "wait_for_decision", for_ever)
    async with client(served, person=Person("accept")) as agent:
        state = (await asked(agent)).request_state
        for release in (served.shutdown.begin, served.shutdown.close):
            holding = anyio.Event()
            answers: list[Any] = []

            async def repeat(given: str | None, answers: list[Any]) -> None:
                answers.append(await asked(agent, request_state=given, input_responses=ACCEPT))

            with anyio.fail_after(10):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(repeat, state, answers)
                    await holding.wait()
                    assert answers == []
                    release()
            assert isinstance(answers[0], InputRequiredResult)
            assert not answers[0].input_requests
            state = answers[0].request_state
