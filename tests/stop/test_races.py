"""MUST 37: revoke against mint and call. After ``revoke`` has returned, nothing of it reaches a provider.

``LOANER_RACES`` sets how many; ``./run soak`` runs a thousand.
"""

from __future__ import annotations

import os
import random
import statistics
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from mcp import Client

from journeys.town import EVERYTHING, Town, error_of, local_agent
from loaner.errors import LoanerError
from loaner.identity.caller import Agent, Caller, Subject
from loaner.journey import ToolCall
from loaner.stopping import Stopped

RACES = int(os.environ.get("SOAK_RACES", "1000"))
ISSUE = {"owner": "acme", "repo": "web", "issue_number": 1}
OPERATOR = Caller(Subject("local", "olga"), Agent("loaner revoke", "loaner"), "sandbox", "here", "olga")
CALLS = 3


@dataclass
class Found:
    """What the races showed. Times in seconds."""

    took: list[float] = field(default_factory=list)
    outcomes: dict[str, int] = field(default_factory=dict)
    cancelled: int = 0

    def told(self) -> str:
        slowest = sorted(self.took)[int(len(self.took) * 0.99) - 1]
        median = statistics.median(self.took)
        return (
            f"{len(self.took)} races: confirmed dead after {median * 1000:.1f} ms (median), {slowest * 1000:.1f} ms"
            f" (99th percentile); {self.cancelled} calls cancelled; ends of calls: {self.outcomes}"
        )


def reached(town: Town) -> tuple[int, int]:
    """Mints, and uses of any credential, that the providers have seen."""
    entries = [entry for entry in town.running.sandbox.ledger if entry.provider != "idp"]
    return len(entries), sum(len(entry.uses) for entry in entries)


async def alices_agent(town: Town, name: str = "racer") -> Caller:
    async with town.agent(name=name) as agent:
        assert not (await town.call(agent, "github_get_me", {})).is_error
    await town.settled()
    (grant,) = await town.loaner.grants.everybodys()
    issuer, _, sub = grant.subject.partition(" ")
    return Caller(Subject(issuer, sub), Agent(name, "actor", issuer), town.loaner.settings.environment, "a test")


async def pace_of(town: Town, caller: Caller) -> float:
    """Seconds that one call takes, on this machine today."""
    began = anyio.current_time()
    await town.loaner.journey.carry(ToolCall("github_issue_read", ISSUE), caller)
    return anyio.current_time() - began


async def race(town: Town, caller: Caller, found: Found, chance: random.Random, pace: float) -> None:
    """Some calls begin; somewhere among their steps they are stopped."""

    async def call(delay: float) -> None:
        await anyio.sleep(delay)
        try:
            await town.loaner.journey.carry(ToolCall("github_issue_read", ISSUE), caller)
            end = "ok"
        except LoanerError as failure:
            end = str(failure.facts().get("rule") or failure.code)
        found.outcomes[end] = found.outcomes.get(end, 0) + 1

    stopper = town.loaner.stopper
    async with anyio.create_task_group() as tasks:
        for _ in range(CALLS):
            tasks.start_soon(call, chance.uniform(0, pace / 2))
        await anyio.sleep(chance.uniform(0, 2 * pace))
        stopped: Stopped = await stopper.stop("agent", caller.agent.name, OPERATOR)
        after = reached(town)
        tasks.start_soon(call, 0)  # and one that begins too late
    await town.settled()
    assert reached(town) == after
    assert stopped.confirmed
    assert await town.open_loans() == []
    found.took.append(stopped.took)
    found.cancelled += stopped.cancelled
    assert await stopper.resume("agent", caller.agent.name, OPERATOR)


async def races(town: Town, rounds: int) -> Found:
    caller, found, chance = await alices_agent(town), Found(), random.Random(37)  # noqa: S311 - to repeat a failure
    pace = min([await pace_of(town, caller) for _ in range(5)])
    await town.settled()
    for _ in range(rounds):
        await race(town, caller, found, chance, pace)
    assert set(found.outcomes) <= {"ok", "block"}
    return found


async def test_nothing_reaches_a_provider_after_revoke_returned(acme: Town) -> None:
    found = await races(acme, 40)
    assert found.outcomes["block"] > 40
    assert found.outcomes.get("ok"), "all were stopped before they began: no race was run"


@pytest.mark.soak
async def test_a_thousand_races_of_revoke_against_mint_and_call(acme: Town) -> None:
    found = await races(acme, RACES)
    assert len(found.took) == RACES
    print(f"\n{found.told()}")  # noqa: T201 - a soak tells its numbers


async def test_servers_in_other_processes_stop_as_well(acme: Town) -> None:
    """Two more processes share the store; revoke runs here and knows nothing of them but their rows."""
    rounds = int(os.environ.get("SOAK_PROCESS_RACES", "6"))
    chance, took = random.Random(36), []  # noqa: S311 - to repeat a failure
    ended: list[dict[str, Any] | None] = []

    async def call(agent: Client) -> None:
        answer = await agent.call_tool("github_issue_read", ISSUE)
        ended.append(error_of(answer) if answer.is_error else None)

    async with (
        local_agent(acme.home, acme.sandbox_url) as one,
        local_agent(acme.home, acme.sandbox_url) as other,
    ):
        await link(acme, one)
        for _ in range(rounds):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call, one)
                tasks.start_soon(call, other)
                await anyio.sleep(chance.uniform(0, 0.1))
                stopped = await acme.loaner.stopper.stop("agent", "ide-agent", OPERATOR)
                after = reached(acme)
            assert reached(acme) == after
            assert stopped.confirmed
            took.append(stopped.took)
            await acme.loaner.stopper.resume("agent", "ide-agent", OPERATOR)
        # A provider that hangs must not keep the other process from noticing.
        acme.fault("github", "hang", path="/api/repos/")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, one)
            with anyio.fail_after(10):
                while not [loan for loan in await acme.open_loans() if loan.state == "lent"]:  # noqa: ASYNC110 - a row
                    await anyio.sleep(0.01)
            stopped = await acme.loaner.stopper.stop("agent", "ide-agent", OPERATOR)
        assert (stopped.cancelled, stopped.confirmed) == (0, True)
        assert stopped.took < 5
    last = ended[-1]
    assert last
    assert last["rule"] == "block"
    median = statistics.median(took) * 1000
    print(f"\n{rounds} races: median {median:.1f} ms, hung {stopped.took:.2f} s")  # noqa: T201 - numbers


async def link(town: Town, agent: Client) -> None:
    answer = await agent.call_tool("github_issue_read", ISSUE)
    for _ in range(3):
        if not answer.is_error:
            return
        error = error_of(answer)
        base = error["url"].split("/consent/")[0]

        def walk(url: str = error["url"], base: str = base) -> str:
            from loaner.sandbox.person import Person

            return Person("alice", town.sandbox_url).visit(url, loaner_url=base, choose=EVERYTHING).state

        assert await anyio.to_thread.run_sync(walk) == "approved"
        answer = await agent.call_tool("github_issue_read", ISSUE)
    assert not answer.is_error
