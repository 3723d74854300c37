"""A stop from one process leaves what only another knows to that one, as long as it lives."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import anyio
import pytest
from sqlalchemy import select

from journeys.town import Town, error_of
from loaner import stopping
from loaner.errors import StoreUnusable
from loaner.grants import loan_rows
from loaner.identity.caller import Agent, Caller, Subject
from loaner.lending import journal, revocations
from loaner.store.tables import loans

ISSUE = {"owner": "acme", "repo": "web", "issue_number": 1}
OPERATOR = Caller(Subject("local", "olga"), Agent("loaner revoke", "loaner"), "sandbox", "here", "olga")


def alive(town: Town) -> list[str]:
    ledger = town.running.sandbox.ledger
    return [entry.fingerprint for entry in ledger if entry.kind == "scoped" and ledger.is_alive(entry)]


@pytest.fixture
async def stranded(linked: Town, monkeypatch: pytest.MonkeyPatch) -> Town:
    """A key is minted, and then neither the store nor the provider takes anything: memory alone knows it."""
    monkeypatch.setattr(revocations, "_UNSTORED_EVERY", 3600)
    store, minted = linked.loaner.store, len(linked.ledger(kind="scoped"))
    write = store.write

    async def full(work: Any) -> Any:
        if len(linked.ledger(kind="scoped")) > minted:
            raise StoreUnusable("it is full.")
        return await write(work)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(store, "write", full)
        meanwhile.setattr(linked.loaner.lender.styles["down_scoped"], "give_back", unreachable)
        async with linked.agent() as agent:
            assert error_of(await agent.call_tool("github_issue_read", ISSUE))["code"] == "store_unusable"
        await linked.settled()
    assert len(alive(linked)) == 1
    assert len(linked.loaner.revocations._unstored) == 1
    return linked


async def unreachable(*_: object) -> str:
    raise StoreUnusable("nor can the provider be reached.")


async def row(town: Town) -> Any:
    columns = (loans.c.state, loans.c.owner, loans.c.sealed, loans.c.next_attempt_at)
    only = select(*columns).where(loans.c.state.in_(loan_rows.OPEN))
    return await town.loaner.store.read(lambda c: c.execute(only).one())


async def test_a_key_that_another_living_server_alone_knows_is_left_to_it_and_said(
    stranded: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, revocations = await row(stranded), stranded.loaner.revocations
    with monkeypatch.context() as another:  # one that is not the owner, and knows nothing of its memory
        another.setattr(journal, "this_process", lambda: "another/pid:[1] 1 1")
        another.setattr(revocations, "_unstored", {})
        another.setattr(stopping, "PATIENCE", 0.2)
        stopped = await stranded.loaner.stopper.stop("agent", "test-agent", OPERATOR)
    (ended,) = stopped.loans
    assert (ended.confirmed, f"pid {os.getpid()} on " in ended.how) == (False, True)
    assert await row(stranded) == before, "nobody took it over"
    await revocations.sweep()
    assert (alive(stranded), await stranded.open_loans()) == ([], [])


async def test_the_server_that_knows_it_is_woken_and_ends_it_while_the_other_waits(stranded: Town) -> None:
    verb = [sys.executable, "-m", "loaner", "revoke", "--agent", "test-agent", "--yes", "--json"]
    env = {**os.environ, "LOANER_HOME": str(stranded.home), "LOANER_STORE": stranded.loaner.settings.store_url}
    done = await anyio.run_process(verb, env=env, check=False)
    told: list[dict[str, Any]] = list(map(json.loads, done.stdout.decode().splitlines()))
    (loan,) = [one for one in told if one["what"] == "loan"]
    assert (loan["confirmed"], f"pid {os.getpid()} on " in loan["server"]) == (True, True)
    assert (alive(stranded), await stranded.open_loans()) == ([], [])
