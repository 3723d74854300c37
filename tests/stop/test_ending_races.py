"""Several things that each end or replace a grant's tokens at once: whoever wins, none of the tokens lives on."""

from __future__ import annotations

import contextlib
import random

import anyio
import pytest
from sqlalchemy import select, update

from crash import consenting
from journeys.town import Town
from loaner.errors import ConsentNeeded, GrantBroken, LoanerError
from loaner.identity.caller import Agent, Caller, Subject
from loaner.journey import ToolCall
from loaner.store.tables import grants

ROUNDS, AT_MOST = 8, 80
"""As many as it takes for each of them to have won once: which one does is up to the machine."""
EACH = {"refresh", "disconnect", "stop"}
CALLS = {"linear": ("linear_get_issue", {"id": "ENG-1"}), "github": ("github_get_me", {})}
OPERATOR = Caller(Subject("local", "olga"), Agent("loaner revoke", "loaner"), "sandbox", "here", "olga")


def alive(town: Town, provider: str) -> list[str]:
    ledger = town.running.sandbox.ledger
    return [entry.kind for entry in ledger if entry.provider == provider and ledger.is_alive(entry)]


def alices(town: Town) -> Caller:
    issuer = f"{town.sandbox_url}/idp"
    return Caller(Subject(issuer, "user-alice"), Agent("racer", "actor", issuer), "sandbox", "a test")


async def connected(town: Town, provider: str) -> str:
    """The grant that alice has just given, of which the access token needs a refresh."""
    who, tool = alices(town), ToolCall(*CALLS[provider])
    question = None
    while question is None:
        with contextlib.suppress(GrantBroken):  # how a question ended that the last stop met is told once
            with pytest.raises(ConsentNeeded) as asked:
                await town.loaner.journey.carry(tool, who)
            question = asked.value.invitation.handle
    await consenting.agree(town.loaner, who.subject, question, town.sandbox_url)
    mine = (grants.c.provider == provider) & (grants.c.state == "active")
    grant: str = await town.loaner.store.read(lambda c: c.execute(select(grants.c.id).where(mine)).scalar_one())
    past = update(grants).where(grants.c.id == grant).values(expires_at=town.loaner.now())
    await town.loaner.store.write(lambda c: c.execute(past) and None)
    return grant


@pytest.mark.parametrize("provider", CALLS)
async def test_a_refresh_a_disconnect_and_a_stop_together_leave_no_token_alive(acme: Town, provider: str) -> None:
    chance, stopper, won = random.Random(41), acme.loaner.stopper, set[str]()  # noqa: S311 - to repeat a failure
    first, began = await connected(acme, provider), anyio.current_time()
    await acme.loaner.journey.carry(ToolCall(*CALLS[provider]), alices(acme))
    pace = anyio.current_time() - began  # of a call with a refresh, on this machine today
    await stopper.end_grant(first)
    for number in range(AT_MOST):
        if number >= ROUNDS and won == EACH:
            break
        grant = await connected(acme, provider)

        async def call() -> None:
            await anyio.sleep(chance.uniform(0, pace / 2))
            with contextlib.suppress(LoanerError):
                await acme.loaner.journey.carry(ToolCall(*CALLS[provider]), alices(acme))
                won.add("refresh")

        async def disconnect(grant: str = grant) -> None:
            await anyio.sleep(chance.uniform(0, 2 * pace))
            with contextlib.suppress(GrantBroken):
                await stopper.end_grant(grant)
                won.add("disconnect")

        async def stop() -> None:
            await anyio.sleep(chance.uniform(0, 2 * pace))
            if (await stopper.stop("user", "user-alice", OPERATOR)).grants:
                won.add("stop")

        async with anyio.create_task_group() as tasks:
            for one in (call, call, disconnect, stop):
                tasks.start_soon(one)
        await acme.settled()
        acme.advance(minutes=1)
        await stopper.finish()
        assert alive(acme, provider) == []
        assert await acme.open_loans() == []
        await stopper.resume("user", "user-alice", OPERATOR)
    assert won == EACH, "a race that only one can win is none"


async def test_revoking_again_what_linear_has_ended_is_no_failure(acme: Town) -> None:
    """Linear answers a second revoke with 400, unlike RFC 7009: whether it is dead, only a probe says."""
    await connected(acme, "linear")
    acme.fault("linear", "half_close", path="/graphql")  # it ends the grant, and the probe is not answered
    (ended,) = (await acme.loaner.stopper.stop("user", "user-alice", OPERATOR)).grants
    assert not ended.confirmed
    assert alive(acme, "linear") == []
    acme.running.sandbox.faults.clear("linear")
    acme.advance(minutes=1)
    (ended,) = await acme.loaner.stopper.finish()
    assert ended.confirmed, ended.how
    assert "a probe was refused" in ended.how
    assert await acme.open_loans() == []
