"""Every way out of a call gives the key back; what cannot be confirmed is listed with when it must be dead."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from journeys.town import Town, error_of

ISSUE = {"owner": "acme", "repo": "web", "issue_number": 1}
TITLE = {"owner": "acme", "repo": "web", "title": "From a test"}


@pytest.fixture
async def linked(acme: Town) -> Town:
    """A town where alice has connected GitHub."""
    async with acme.agent() as agent:
        await acme.call(agent, "github_get_me", {})
    await acme.settled()
    return acme


def alive(town: Town) -> list[str]:
    ledger = town.running.sandbox.ledger
    return [entry.fingerprint for entry in ledger if entry.kind == "scoped" and ledger.is_alive(entry)]


@pytest.mark.parametrize("kind", ["status:500", "status:502", "half_close"])
async def test_a_provider_that_fails_gets_its_key_back_all_the_same(linked: Town, kind: str) -> None:
    """MUST 35: revoked on error too."""
    linked.fault("github", kind, path="/api/repos/")
    async with linked.agent() as agent:
        answer = await agent.call_tool("github_issue_read", ISSUE)
        assert error_of(answer)["code"] == "provider_unavailable"
    (record,) = await linked.records(tool="github_issue_read")
    assert (record["outcome"], record["returned_confirmed"]) == ("failed", True)
    assert alive(linked) == []


async def test_an_agent_that_hangs_up_leaves_no_key_behind(linked: Town) -> None:
    """MUST 16 and 35: the client goes away in mid-call; the return still runs."""
    linked.fault("github", "hang", path="/api/repos/")

    async def ask() -> None:
        async with linked.agent() as agent:
            await agent.call_tool("github_issue_read", ISSUE)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as agents:
            agents.start_soon(ask)
            while not linked.running.sandbox.faults._taken:  # noqa: ASYNC110 - until GitHub hangs
                await anyio.sleep(0.01)
            agents.cancel_scope.cancel()
    with anyio.fail_after(10):
        while not (records := await linked.records(tool="github_issue_read")):  # noqa: ASYNC110 - the chain rings no bell
            await anyio.sleep(0.05)
    assert records[0]["code"] == "cancelled"
    assert len(linked.ledger(kind="scoped")) == 2
    assert alive(linked) == []


async def test_a_return_that_is_not_confirmed_is_listed_and_retried_until_it_is(linked: Town) -> None:
    """MUST 36: "returned" only after the provider said so."""
    async with linked.agent() as agent:
        asked = await agent.call_tool("github_issue_create", TITLE)
        assert (await linked.decide(asked)).state == "approved"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(break_revocation_once_minted, linked)
            answer = await agent.call_tool("github_issue_create", TITLE)
        assert not answer.is_error  # the agent does not wait for a provider to take a key back
        await linked.settled()
        (loan,) = await linked.open_loans()
        assert loan.fingerprint in alive(linked)
        assert loan.latest_expiry > loan.intent_at
        assert loan.attempts == 1
        (first,) = await linked.records(tool="github_issue_create", outcome="ok")
        assert first["returned_confirmed"] is False

        linked.running.sandbox.faults.clear("github")
        linked.advance(seconds=30)
        await linked.loaner.revocations.sweep()
    assert await linked.open_loans() == []
    assert alive(linked) == []
    (later,) = await linked.records(kind="return")
    assert (later["of"], later["returned_confirmed"]) == (first["id"], True)


async def break_revocation_once_minted(town: Town) -> None:
    before = len(town.ledger(kind="scoped"))
    with anyio.fail_after(10):
        while len(town.ledger(kind="scoped")) == before:  # noqa: ASYNC110 - nor does the provider's ledger
            await anyio.sleep(0.001)
    town.fault("github", "status:503", path="/api/applications/")


async def test_a_loan_that_nobody_can_return_is_closed_when_it_must_be_dead(linked: Town) -> None:
    async with linked.agent() as agent:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(break_revocation_once_minted, linked)
            await agent.call_tool("github_issue_read", ISSUE)
        await linked.settled()
    (loan,) = await linked.open_loans()
    linked.advance(seconds=(loan.latest_expiry - linked.loaner.now()) / timedelta(seconds=1) + 1000)
    await linked.loaner.revocations.sweep()
    assert await linked.open_loans() == []
    assert [record["returned_how"] for record in await linked.records(kind="return")] == ["expired by itself"]


async def test_a_mint_that_nobody_answered_is_listed_because_it_may_have_happened(linked: Town) -> None:
    """MUST 34."""
    linked.fault("github", "half_close", path="/token/scoped", count=1)
    async with linked.agent() as agent:
        answer = await agent.call_tool("github_issue_read", ISSUE)
        assert error_of(answer)["code"] == "provider_unavailable"
    (loan,) = await linked.open_loans()
    assert (loan.fingerprint, loan.permissions, loan.resource) == (None, ["issues:read"], "repository:acme/web")
    (record,) = await linked.records(tool="github_issue_read")
    assert record["returned_confirmed"] is False


async def test_a_yes_is_not_used_up_by_a_call_that_never_left(linked: Town) -> None:
    async with linked.agent() as agent:
        asked = await agent.call_tool("github_issue_create", TITLE)
        assert (await linked.decide(asked)).state == "approved"
        linked.fault("github", "status:500", path="/token/scoped", count=1)
        assert error_of(await agent.call_tool("github_issue_create", TITLE))["code"] == "provider_unavailable"
        assert not (await agent.call_tool("github_issue_create", TITLE)).is_error
        # and one that left used it up
        assert error_of(await agent.call_tool("github_issue_create", TITLE))["code"] == "consent_required"
    await linked.settled()
    # The call never left, but a key may have been minted for it: a 500 does not say.
    assert [loan.fingerprint for loan in await linked.open_loans()] == [None]


async def test_a_write_that_may_have_happened_says_so_and_how_to_check(linked: Town) -> None:
    async with linked.agent() as agent:
        asked = await agent.call_tool("github_issue_create", TITLE)
        assert (await linked.decide(asked)).state == "approved"
        linked.fault("github", "half_close", path="/api/repos/", count=1)
        told = error_of(await agent.call_tool("github_issue_create", TITLE))
    assert told["code"] == "outcome_unknown"
    assert "github_list_issues" in told["do"]
    (record,) = await linked.records(code="outcome_unknown")
    assert record["outcome"] == "unknown"
    assert alive(linked) == []
