"""An agent that ends its own task gets no more than before: an injected call finds no way round what was agreed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from journeys.town import Town, error_of, text_of, town
from loaner.identity.caller import Subject

READ = ("github_list_issues", {"owner": "acme", "repo": "web"})
OUTSIDE = ("github_list_issues", {"owner": "acme", "repo": "secrets"})
TASK = {"purpose": "look", "operations": [{"tool": "github_list_issues"}], "resources": ["acme/web"], "minutes": 30}

ASKED = {"consent_required", "consent_pending"}


@pytest.fixture
async def acme(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path / "home", consent={"reads": "account"}) as built:
        yield built


async def agreed(acme: Town, agent: Client, task: dict[str, Any] = TASK) -> str:
    answer = await acme.call(agent, "loaner_propose_task", task)
    assert not answer.is_error, text_of(answer)
    return str((answer.structured_content or {})["task"])


def minted(acme: Town) -> int:
    return len(acme.ledger(provider="github", kind="scoped"))


async def test_what_the_task_demanded_stays_until_its_own_end(acme: Town) -> None:
    """MUST 28: neither ending it nor a new session makes a read go out unasked."""
    async with acme.agent() as agent:
        await agreed(acme, agent)
        assert not (await acme.call(agent, *READ)).is_error
        assert error_of(await agent.call_tool(*OUTSIDE))["code"] in ASKED
        assert not (await agent.call_tool("loaner_end_task", {})).is_error
        before = minted(acme)
        assert error_of(await agent.call_tool(*OUTSIDE))["code"] in ASKED
        answer = await agent.call_tool(*READ)
        assert error_of(answer)["code"] in ASKED
        assert "it was ended" in text_of(answer)
    async with acme.agent() as again:
        assert error_of(await again.call_tool(*OUTSIDE))["code"] in ASKED
        assert minted(acme) == before
    acme.advance(minutes=31)
    async with acme.agent() as later:
        assert not (await later.call_tool(*READ)).is_error, "bound by the rules alone, as before the task"


async def test_its_person_lets_go_of_it(acme: Town) -> None:
    async with acme.agent() as agent:
        task = await agreed(acme, agent)
        assert not (await acme.call(agent, *READ)).is_error
        await agent.call_tool("loaner_end_task", {})
        assert error_of(await agent.call_tool(*READ))["code"] in ASKED
        subject = next(grant.subject for grant in await acme.loaner.grants.everybodys())
        issuer, _, sub = subject.partition(" ")
        person = Subject(issuer, sub)
        assert [one.id for one in await acme.loaner.consents.tasks.lasting_of(person)] == [task]
        assert await acme.loaner.consents.tasks.let_go(task, person)
        assert not (await agent.call_tool(*READ)).is_error


async def test_a_task_that_its_person_ended_demands_nothing_more(acme: Town) -> None:
    async with acme.agent() as agent:
        task = await agreed(acme, agent)
        assert not (await acme.call(agent, *READ)).is_error
        person = Subject(acme.loaner.settings.identity.issuer, "user-alice")  # type: ignore[union-attr]
        assert await acme.loaner.consents.tasks.end_of(task, person, why="ended by its person", by_person=True)
        assert not (await agent.call_tool(*READ)).is_error
