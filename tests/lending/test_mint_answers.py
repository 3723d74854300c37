"""What a provider may answer when a credential is asked for: who is to blame, what may exist, and that all is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from journeys.town import Town, error_of
from loaner.lending.styles.down_scoped import DownScoped
from loaner.provider_call import Answer, replication
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


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What is waited for a provider to know a new credential; nobody waits."""
    asked = list[float]()

    async def sleep(seconds: float) -> None:
        asked.append(seconds)

    monkeypatch.setattr(replication, "sleep", sleep)
    return asked


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


async def test_a_token_that_lists_no_installations_is_asked_about_before_anything_is_renewed(
    linked: Town, waits: list[float]
) -> None:
    """That request shows the grant's own token, and a 401 may come too early all the same."""
    before = await grant(linked)
    linked.advance(minutes=2)  # what was listed is kept for one
    linked.fault("github", "status:401", path="/user/installations", count=1)
    assert await works(linked, ME)
    assert (waits, await grant(linked)) == ([0.5], before)
    linked.advance(minutes=2)  # what was listed is kept for one
    ledger = linked.running.sandbox.ledger
    for entry in ledger:
        if entry.provider == "github" and entry.kind == "user":
            ledger.revoke(entry, "evicted")
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
    await linked.loaner.revocations.sweep()
    assert await linked.open_loans() == []
    assert alive(linked) == 0


@pytest.mark.parametrize("kind", ["status:502", "half_close"])
async def test_a_list_of_installations_that_does_not_come_lists_no_loan(linked: Town, kind: str) -> None:
    linked.advance(minutes=2)  # what was listed is kept for one
    linked.fault("github", kind, path="/user/installations", count=1)
    assert (await refused(linked, ME))["code"] == "provider_unavailable"
    assert await linked.open_loans() == []


def answered(town: Town, monkeypatch: pytest.MonkeyPatch, path: str, change: Callable[[Answer], Answer]) -> None:
    """The provider does what is asked, and answers otherwise than it documents."""
    exchange = town.loaner.transport.exchange

    async def otherwise(method: str, url: str, **named: Any) -> Answer:
        answer = await exchange(method, url, **named)
        return change(answer) if url.endswith(path) else answer

    monkeypatch.setattr(town.loaner.transport, "exchange", otherwise)


def minted(town: Town) -> list[dict[str, Any]]:
    return town.ledger(kind="scoped")


@pytest.mark.parametrize("said", ["soon", 7])
async def test_an_end_that_cannot_be_read_leaves_the_key_to_be_used_and_given_back(
    linked: Town, monkeypatch: pytest.MonkeyPatch, said: object
) -> None:
    answered(linked, monkeypatch, "/token/scoped", lambda one: replace(one, body={**one.body, "expires_at": said}))
    assert await works(linked)
    await linked.settled()
    assert (alive(linked), await linked.open_loans()) == (0, [])


@pytest.mark.parametrize("said", ["all", {"permissions": ["issues"]}, {"permissions": {"issues": None}}])
async def test_a_width_that_cannot_be_read_gives_the_key_back_unused(
    linked: Town, monkeypatch: pytest.MonkeyPatch, said: object
) -> None:
    before = len(minted(linked))
    answered(linked, monkeypatch, "/token/scoped", lambda one: replace(one, body={**one.body, "installation": said}))
    assert (await refused(linked))["code"] == "scope_not_grantable"
    await linked.settled()
    assert [key["uses"] for key in minted(linked)[before:]] == [[]]
    assert (alive(linked), await linked.open_loans()) == (0, [])


@pytest.mark.parametrize("said", [None, {"token": ""}])
async def test_a_yes_without_a_key_is_listed(linked: Town, monkeypatch: pytest.MonkeyPatch, said: object) -> None:
    answered(linked, monkeypatch, "/token/scoped", lambda one: replace(one, body=said))
    assert (await refused(linked))["code"] == "provider_unavailable"
    assert [loan.fingerprint for loan in await linked.open_loans()] == [None]


async def test_a_wait_that_is_said_as_a_date_is_a_wait_all_the_same(
    linked: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 9110 §10.2.3 allows it; GitHub documents seconds."""
    linked.fault("github", "status:429", path="/token/scoped", count=1)
    wait = {"retry-after": "Wed, 21 Oct 2037 07:28:00 GMT"}
    answered(linked, monkeypatch, "/token/scoped", lambda one: replace(one, headers={**one.headers, **wait}))
    told = await refused(linked)
    assert (told["code"], told["retry_after"]) == ("rate_limited", 60)
    assert await linked.open_loans() == []


@pytest.mark.parametrize("first", [None, {"account": {"slug": "an-enterprise"}}])
async def test_an_installation_without_an_account_is_passed_over(
    linked: Town, monkeypatch: pytest.MonkeyPatch, first: object
) -> None:
    def change(answer: Answer) -> Answer:
        return replace(answer, body={"installations": [first, *answer.body["installations"]]})

    linked.advance(minutes=2)  # what was listed is kept for one
    answered(linked, monkeypatch, "/user/installations", change)
    assert await works(linked, ME)


async def test_what_nobody_foresaw_in_a_mint_closes_the_record_and_lists_the_loan(
    linked: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: Any) -> None:
        raise KeyError("of no kind that anybody thought of")

    monkeypatch.setattr(DownScoped, "mint", fails)
    async with linked.agent() as agent:
        assert (await agent.call_tool(*READ)).is_error
    (record,) = await linked.records(tool=READ[0])
    assert (record["outcome"], record["code"], record["returned_confirmed"]) == ("failed", "internal", False)
    assert [loan.fingerprint for loan in await linked.open_loans()] == [None]
    linked.advance(hours=9)
    await linked.loaner.revocations.sweep()
    assert await linked.open_loans() == []


async def test_a_key_of_which_no_loan_can_be_made_is_given_back(linked: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise TypeError("of no kind that anybody thought of")

    before = len(minted(linked))
    monkeypatch.setattr(linked.loaner.lender, "_loan", fails)
    async with linked.agent() as agent:
        assert (await agent.call_tool(*READ)).is_error
    await linked.settled()
    assert len(minted(linked)) == before + 1
    assert (alive(linked), await linked.open_loans()) == (0, [])


OTHER = {
    "every repository": {"repository_selection": "all"},
    "a selection that cannot be read": {"repository_selection": 7},
    "more than was asked": {"permissions": {"issues": "read", "metadata": "read", "contents": "write"}},
    "less than was asked": {"permissions": {"metadata": "read"}},
    "a higher level than was asked": {"permissions": {"issues": "write", "metadata": "read"}},
    "another account": {"account": {"login": "other-org"}},
    "an account that cannot be read": {"account": ["acme"]},
    "another repository": {"repositories": [{"full_name": "acme/secrets"}]},
    "one more repository": {"repositories": [{"full_name": "acme/web"}, {"full_name": "acme/secrets"}]},
    "no repository": {"repositories": []},
    "repositories that cannot be read": {"repositories": "acme/web"},
}


@pytest.mark.parametrize("what", OTHER)
async def test_a_credential_for_something_else_than_was_asked_goes_back_unused(
    linked: Town, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """MUST 31: permissions are not all that can be wider."""
    answered(
        linked,
        monkeypatch,
        "/token/scoped",
        lambda one: replace(one, body={**one.body, "installation": {**one.body["installation"], **OTHER[what]}}),
    )
    assert (await refused(linked))["code"] == "scope_not_grantable"
    await linked.settled()
    (lent,) = [entry for entry in linked.ledger(kind="scoped") if entry["resources"] == ["acme/web"]]
    assert (lent["uses"], lent["revoked_at"] is not None) == ([], True)
    assert await linked.open_loans() == []
    (told,) = await linked.records(code="scope_not_grantable")
    assert told["returned_confirmed"]


@pytest.mark.parametrize("said", [{}, {"account": {"login": "Acme"}}, {"repositories": [{"full_name": "Acme/Web"}]}])
async def test_what_is_said_in_the_providers_own_spelling_or_not_at_all_is_no_reason_to_refuse(
    linked: Town, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any]
) -> None:
    answered(
        linked,
        monkeypatch,
        "/token/scoped",
        lambda one: replace(one, body={**one.body, "installation": {**one.body["installation"], **said}}),
    )
    assert await works(linked)
