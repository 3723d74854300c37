"""Several servers over one store behave as one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_types import ElicitResult
from replicas import KEY, Replicas, replicas
from sqlalchemy import select, update

from databases import Server
from journeys.town import error_of, text_of
from loaner.audit.read import tail
from loaner.clock import utc_now
from loaner.identity.caller import Agent, Caller, Subject
from loaner.lending.journal import open_loans
from loaner.store import LocalKey, open_store
from loaner.store.owner import this_process
from loaner.store.tables import grants, loans

OPERATOR = Caller(Subject("local", "olga"), Agent("loaner revoke", "loaner"), "sandbox", "here", "olga")
ISSUE = ("linear_get_issue", {"id": "ENG-1"})


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def both(
    postgresql: Server, postgresql_template: str, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncIterator[Replicas]:
    url = postgresql.database(postgresql_template)
    async with (
        open_store(url, LocalKey(bytes.fromhex(KEY))) as store,
        replicas(tmp_path_factory.mktemp("replicas"), store) as running,
    ):
        yield running


async def test_consent_asked_for_at_one_is_given_at_the_other_and_used_at_both(both: Replicas) -> None:
    async with both.agent() as agent:
        both.turn = 0
        asked = error_of(await agent.call_tool(*ISSUE))
        assert asked["code"] == "consent_required"
        both.turn = 1
        assert (await both.person(asked["url"])).state == "approved"
        for both.turn in (0, 1):
            answer = await agent.call_tool(*ISSUE)
            assert not answer.is_error, text_of(answer)
    assert both.minted("linear") == 1


async def test_a_dialog_that_one_opened_is_ended_at_the_other(both: Replicas) -> None:
    """What travels through the client is sealed under a key that both derive."""

    async def host(_: Any, params: Any) -> ElicitResult:
        both.turn = 1
        assert (await both.person(params.url)).state == "approved"
        return ElicitResult(action="accept")

    both.turn = 0
    async with both.agent(elicitation_callback=host) as agent:
        sent = await agent.call_tool("slack_send_message", {"channel": "#releases", "text": "v1.4.0 is out"})
    assert not sent.is_error, text_of(sent)
    assert both.turn == 1


async def test_a_client_of_the_earlier_era_is_served_by_both_in_turns(both: Replicas) -> None:
    both.turn = None
    async with both.agent(mode="legacy") as agent:
        for _ in range(4):
            answer = await agent.call_tool(*ISSUE)
            assert not answer.is_error, text_of(answer)


async def test_one_refresh_among_them(both: Replicas) -> None:
    """MUST 38."""
    soon = update(grants).where(grants.c.connector == "linear").values(expires_at=utc_now() + timedelta(seconds=20))
    await both.store.write(lambda c: c.execute(soon) and None)
    before, failed, both.turn = both.minted("linear"), [], None

    async def call() -> None:
        async with both.agent() as agent:
            answer = await agent.call_tool(*ISSUE)
            if answer.is_error:
                failed.append(text_of(answer))

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(call)
    assert failed == []
    assert both.minted("linear") == before + 1
    versions = await both.store.read(
        lambda c: c.execute(select(grants.c.version).where(grants.c.connector == "linear")).scalars().all()
    )
    assert versions == [2]


async def test_a_stop_from_a_third_machine_ends_what_both_are_doing(both: Replicas, tmp_path: Path) -> None:
    await using(both, 0)  # the keys of the calls before this are back
    both.running.sandbox.faults.add("linear", "hang", path="/graphql", count=2)
    told: list[dict[str, Any]] = []

    async def call() -> None:
        async with both.agent() as agent:
            told.append(error_of(await agent.call_tool(*ISSUE)))

    async with both.third(tmp_path) as elsewhere:
        async with anyio.create_task_group() as tasks:
            for both.turn in (0, 1):
                tasks.start_soon(call)
                await using(both, both.turn + 1)
            stopped = await elsewhere.stopper.stop("user", "user-alice", OPERATOR)
            used = uses(both)
        assert [one["rule"] for one in told] == ["block", "block"]
        assert [loan.confirmed for loan in stopped.loans] == [True, True]
        assert both.alive("linear") == []
        for both.turn in (0, 1):
            await call()
            assert told[-1]["rule"] == "block"
        assert uses(both) == used, "something was sent after the stop"
        await elsewhere.stopper.resume("user", "user-alice", OPERATOR)
    for both.turn in (0, 1):
        await call()
        assert told[-1]["code"] in {"grant_broken", "consent_required", "consent_pending"}


def uses(both: Replicas) -> int:
    return sum(len(entry.uses) for entry in both.running.sandbox.ledger if entry.provider != "idp")


async def using(both: Replicas, processes: int) -> None:
    """Wait until exactly so many processes hold a key."""
    lent = select(loans.c.owner).where(loans.c.state == "lent").distinct()
    with anyio.fail_after(20):
        while len(await both.store.read(lambda c: c.execute(lent).all())) != processes:  # noqa: ASYNC110 - rows
            await anyio.sleep(0.02)


async def test_they_wrote_one_chain_and_left_nothing_open(both: Replicas) -> None:
    with anyio.fail_after(30):
        while await both.store.read(open_loans):  # noqa: ASYNC110 - in other processes
            await anyio.sleep(0.05)
    records = await both.store.read(lambda c: list(tail(c, 1000)))
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    assert len({record.prev_hash for record in records}) == len(records)
    owners = await both.store.read(lambda c: set(c.execute(select(loans.c.owner)).scalars()))
    # The third machine's stop may have ended some of theirs before they did.
    assert len(owners - {this_process()}) == 2, "one of them did nothing"
