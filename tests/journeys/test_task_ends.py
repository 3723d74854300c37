"""However a task ends, and in whichever process: what runs under it stops, and what was lent under it is dead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

from journeys.test_whole_tasks import COMMENT, ISSUE, agreed
from journeys.town import Town, error_of, text_of
from loaner.assembly import Loaner, open_loaner
from loaner.cli import _sandboxed
from loaner.identity.caller import Agent, Caller, Subject

Ends = Callable[[Town, Any, str], Awaitable[None]]


def another_process(acme: Town) -> AbstractAsyncContextManager[Loaner]:
    """The same store, and nothing else in common."""
    return open_loaner(acme.loaner.settings, connectors=_sandboxed.connectors(), now=acme.loaner.now, serving=False)


def alice(acme: Town) -> Subject:
    assert acme.loaner.settings.identity
    return Subject(acme.loaner.settings.identity.issuer, "user-alice")


async def by_its_agent(acme: Town, same: Any, task: str) -> None:
    assert (await same.call_tool("loaner_end_task", {"task": task})).structured_content


async def by_its_person_elsewhere(acme: Town, _: Any, task: str) -> None:
    async with another_process(acme) as other:
        assert await other.consents.tasks.end_of(task, alice(acme), why="ended by its person", by_person=True)


async def by_a_block_elsewhere(acme: Town, _: Any, task: str) -> None:
    async with another_process(acme) as other:
        who = Caller(alice(acme), Agent("test-agent", "actor", f"{acme.sandbox_url}/idp"), "development", "a test")
        await other.stopper.stop("agent", "test-agent", who)
        assert await other.consents.tasks.of_person(alice(acme)) == [], "the block ended the task itself"


async def by_the_clock(acme: Town, _: Any, task: str) -> None:
    acme.advance(minutes=61)


@pytest.mark.parametrize(
    "ends", [by_its_agent, by_its_person_elsewhere, by_a_block_elsewhere, by_the_clock], ids=lambda way: way.__name__
)
async def test_the_end_of_a_task_stops_its_calls_and_returns_what_was_lent(acme: Town, ends: Ends) -> None:
    """A call that hangs at the provider ends with its task; its key is dead at once."""
    async with acme.agent() as agent, acme.agent() as same:
        task = await agreed(acme, agent)
        assert not (await acme.call(agent, "github_issue_read", ISSUE)).is_error
        acme.fault("github", "hang", path="/issues/1", count=1)
        answers: list[Any] = []

        async def read() -> None:
            answers.append(await agent.call_tool("github_issue_read", ISSUE))

        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                group.start_soon(read)
                while not await acme.open_loans():
                    await anyio.lowlevel.checkpoint()
                await ends(acme, same, task["task"])
    assert error_of(answers[0])["code"] == "policy_denied", text_of(answers[0])
    await acme.settled()
    assert await acme.open_loans() == []
    assert all(loan["revoked_at"] for loan in acme.ledger(provider="github", kind="scoped"))


async def test_a_write_that_its_task_ended_in_may_have_happened(acme: Town) -> None:
    async with acme.agent() as agent:
        task = await agreed(acme, agent)
        assert not (await acme.call(agent, "github_issue_read", ISSUE)).is_error
        acme.fault("github", "hang", path="/comments", count=1)
        answers: list[Any] = []

        async def comment() -> None:
            answers.append(await agent.call_tool("github_add_issue_comment", COMMENT))

        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                group.start_soon(comment)
                while not await acme.open_loans():
                    await anyio.lowlevel.checkpoint()
                await by_its_person_elsewhere(acme, agent, task["task"])
    assert error_of(answers[0])["code"] == "outcome_unknown", text_of(answers[0])
    await acme.settled()
    assert await acme.open_loans() == []


@pytest.mark.parametrize(
    ("by_person", "code", "said"),
    [(True, "policy_denied", "has just ended"), (False, "consent_required", "it was ended, and anything else asks")],
    ids=["by its person", "by its agent"],
)
async def test_a_task_that_ends_between_the_rules_and_the_yes_lets_nothing_out(
    acme: Town, monkeypatch: pytest.MonkeyPatch, by_person: bool, code: str, said: str
) -> None:
    """The call was ruled as a part of the task; it must not go out as a call of none, counted by nobody."""
    tasks = acme.loaner.consents.tasks
    inside = tasks.inside

    async def overtaken(*args: Any) -> str | None:
        found = await inside(*args)
        if found:
            assert await tasks.end_of(found, alice(acme), why="ended meanwhile", by_person=by_person)
        return found

    async with acme.agent() as agent:
        await agreed(acme, agent)
        assert not (await acme.call(agent, "github_issue_read", ISSUE)).is_error
        await acme.settled()
        before = len(acme.ledger(kind="scoped"))
        with monkeypatch.context() as patch:
            patch.setattr(tasks, "inside", overtaken)
            refused = await agent.call_tool("github_issue_read", ISSUE)
    assert error_of(refused)["code"] == code
    assert said in text_of(refused)
    assert len(acme.ledger(kind="scoped")) == before
