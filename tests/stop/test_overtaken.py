"""What is under way when something else changes the grant: a call, a refresh, a yes. Each at its narrowest moment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio
import pytest
from sqlalchemy import select, update

from crash import consenting
from journeys.town import Town
from loaner import journey
from loaner.errors import ConsentNeeded, GrantBroken, LoanerError
from loaner.identity.caller import Agent, Caller, Subject
from loaner.journey import ToolCall
from loaner.store.tables import grants, loans

ISSUE = ToolCall("linear_get_issue", {"id": "ENG-1"})
OPERATOR = Caller(Subject("local", "olga"), Agent("loaner revoke", "loaner"), "sandbox", "here", "olga")


@pytest.fixture
def strict(acme: Town, monkeypatch: pytest.MonkeyPatch) -> Town:
    """Linear at its least forgiving: a refresh ends the access token before, a revocation just the one token."""
    acme.running.sandbox.switches.linear_refresh_ends_access = True
    acme.running.sandbox.switches.linear_revoke_ends_authorization = False
    monkeypatch.setattr("loaner.sandbox.faults.DRIP_SECONDS", 0.001)
    return acme


def alice(town: Town) -> Caller:
    return Caller(
        Subject(f"{town.sandbox_url}/idp", "user-alice"),
        Agent("racer", "actor", f"{town.sandbox_url}/idp"),
        "sandbox",
        "a test",
    )


async def call(town: Town) -> Any:
    return await town.loaner.journey.carry(ToolCall(ISSUE.tool, ISSUE.arguments), alice(town))


async def asked(town: Town) -> str:
    with pytest.raises(ConsentNeeded) as needed:
        await call(town)
    return needed.value.invitation.handle


async def connected(town: Town) -> None:
    await consenting.agree(town.loaner, alice(town).subject, await asked(town), town.sandbox_url)


async def lives(town: Town, **left: float) -> None:
    """The access token has so long to live, as far as loaner knows."""
    until = update(grants).values(expires_at=town.loaner.now() + timedelta(**left))
    await town.loaner.store.write(lambda c: c.execute(until) and None)


def minted(town: Town) -> int:
    return len(town.ledger(provider="linear", kind="user"))


def alive(town: Town) -> list[str]:
    return [one["kind"] for one in town.ledger(provider="linear", revoked_at=None)]


async def test_a_token_that_a_call_is_about_to_use_is_not_refreshed_away(
    strict: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    await connected(strict)
    send, holding, go = journey.send_patiently, anyio.Event(), anyio.Event()

    async def held(*args: Any, **named: Any) -> Any:
        if not holding.is_set():
            holding.set()
            await go.wait()
        return await send(*args, **named)

    monkeypatch.setattr(journey, "send_patiently", held)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call, strict)
        await holding.wait()
        await lives(strict, seconds=90)
        await call(strict)
        assert minted(strict) == 1, "there is time for one more on the token that is in use"
        go.set()
    await strict.settled()
    await call(strict)
    assert minted(strict) == 2


async def test_no_call_begins_on_a_token_that_is_being_replaced(strict: Town) -> None:
    await connected(strict)
    elsewhere = {"lease_holder": "elsewhere/pid:[1] 1 1", "lease_until": strict.loaner.now() + timedelta(minutes=1)}
    await strict.loaner.store.write(lambda c: c.execute(update(grants).values(elsewhere)) and None)
    with anyio.move_on_after(0.3) as waiting:
        await call(strict)
    assert waiting.cancelled_caught
    await strict.loaner.store.write(lambda c: c.execute(update(grants).values(dict.fromkeys(elsewhere))) and None)
    await call(strict)


async def test_a_grant_that_ends_before_the_intent_is_written_lends_nothing(
    strict: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    await connected(strict)
    refresher = strict.loaner.lender.refresher
    read = refresher.fresh

    async def overtaken(*args: Any) -> Any:
        grant, token = await read(*args)
        assert (await strict.loaner.stopper.end_grant(grant.id)).confirmed
        return grant, token

    monkeypatch.setattr(refresher, "fresh", overtaken)
    with pytest.raises(GrantBroken):
        await call(strict)
    lent = select(loans.c.id).where(loans.c.style == "pass_through")
    assert await strict.loaner.store.read(lambda c: c.execute(lent).all()) == []
    assert alive(strict) == []


async def test_a_stop_in_the_middle_of_a_refresh_ends_the_pair_that_it_brings(strict: Town) -> None:
    await connected(strict)
    await lives(strict, seconds=-1)
    strict.fault("linear", "slow_drip", path="/oauth/token", count=1)

    async def refused() -> None:
        with pytest.raises(LoanerError):
            await call(strict)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(refused)
        with anyio.fail_after(10):
            while minted(strict) < 2:  # noqa: ASYNC110 - the provider has acted, and its answer is on the way
                await anyio.sleep(0.001)
        stopped = await strict.loaner.stopper.stop("user", "user-alice", OPERATOR)
    assert stopped.confirmed
    assert alive(strict) == []
    assert await strict.open_loans() == []


async def test_a_stop_in_the_middle_of_a_yes_connects_nothing(strict: Town) -> None:
    question = await asked(strict)
    strict.fault("linear", "slow_drip", path="/graphql", count=1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(consenting.agree, strict.loaner, alice(strict).subject, question, strict.sandbox_url)
        with anyio.fail_after(10):
            while not minted(strict):  # noqa: ASYNC110 - as above
                await anyio.sleep(0.001)
        await strict.loaner.stopper.stop("user", "user-alice", OPERATOR)
    states = select(grants.c.state, grants.c.reason)
    ((state, _),) = await strict.loaner.store.read(lambda c: c.execute(states).all())
    assert (state, alive(strict)) == ("revoked", []), "what came too late is ended, and listed until it is"
    assert await strict.open_loans() == []
