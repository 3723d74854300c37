"""What a provider may answer when a credential is asked for: who is to blame, what may exist, and that all is kept."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from journeys.town import Town, error_of
from loaner.store.tables import grants

READ = ("github_issue_read", {"owner": "acme", "repo": "web", "issue_number": 1})
ME = ("github_get_me", {})


@pytest.fixture
async def linked(acme: Town) -> Town:
    """A town where alice has connected GitHub."""
    async with acme.agent() as agent:
        assert not (await acme.call(agent, *ME)).is_error
    await acme.settled()
    return acme


async def refused(town: Town, call: tuple[str, dict[str, Any]] = READ) -> dict[str, Any]:
    async with town.agent() as agent:
        return error_of(await agent.call_tool(*call))


async def works(town: Town, call: tuple[str, dict[str, Any]] = READ) -> bool:
    async with town.agent() as agent:
        return not (await agent.call_tool(*call)).is_error


async def grant(town: Town) -> Any:
    columns = (grants.c.state, grants.c.version, grants.c.expires_at)
    return await town.loaner.store.read(lambda c: c.execute(select(*columns)).one())


async def test_a_wrong_client_secret_is_the_operators_matter_and_costs_no_grant(linked: Town) -> None:
    """GitHub answers 401 for the app's own credentials, and 404 for a token that it does not honour."""
    before = await grant(linked)
    linked.fault("github", "status:401", path="/token/scoped")
    for _ in range(2):
        told = await refused(linked)
        assert told["code"] == "settings_invalid"
        assert "connectors.github.client_secret" in told["do"]
    assert await grant(linked) == before
    assert await linked.open_loans() == []
    linked.running.sandbox.faults.clear()
    assert await works(linked)


async def test_a_token_that_the_mint_does_not_honour_is_renewed(linked: Town) -> None:
    ledger = linked.running.sandbox.ledger
    for entry in ledger:
        if entry.provider == "github" and entry.kind == "user":
            ledger.revoke(entry, "evicted")
    assert await works(linked)
    assert (await grant(linked)).state == "active"


async def test_a_token_that_lists_no_installations_is_renewed(linked: Town) -> None:
    """That request shows the grant's own token, so there a 401 is about that."""
    before = await grant(linked)
    linked.loaner.lender.styles["token_scoped"]._targets.clear()  # type: ignore[attr-defined]
    linked.fault("github", "status:401", path="/user/installations", count=1)
    assert await works(linked, ME)
    assert (await grant(linked)).version == before.version + 1


def alive(town: Town) -> int:
    ledger = town.running.sandbox.ledger
    return len([entry for entry in ledger if entry.kind == "scoped" and ledger.is_alive(entry)])


@pytest.mark.parametrize("kind", ["after:502", "after:504", "after:200"])
async def test_a_mint_that_a_gateway_answered_is_listed_because_it_may_have_happened(linked: Town, kind: str) -> None:
    """GitHub has minted; what came back is a gateway's page."""
    linked.fault("github", kind, path="/token/scoped", count=1)
    told = await refused(linked)
    assert told["code"] == "provider_unavailable"
    assert "Nothing was sent" in told["message"]
    assert alive(linked) == 1
    (loan,) = await linked.open_loans()
    assert loan.fingerprint is None
    (record,) = await linked.records(tool=READ[0])
    assert (record["outcome"], record["returned_confirmed"]) == ("failed", False)
    assert await works(linked)
    linked.advance(hours=9)
    await linked.loaner.returns.sweep()
    assert await linked.open_loans() == []
    assert alive(linked) == 0


@pytest.mark.parametrize("kind", ["status:502", "half_close"])
async def test_a_list_of_installations_that_does_not_come_lists_no_loan(linked: Town, kind: str) -> None:
    linked.loaner.lender.styles["token_scoped"]._targets.clear()  # type: ignore[attr-defined]
    linked.fault("github", kind, path="/user/installations", count=1)
    assert (await refused(linked, ME))["code"] == "provider_unavailable"
    assert await linked.open_loans() == []
