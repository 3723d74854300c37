"""What a provider granted is compared with what was asked: no more, no less, and what has always come along."""

from __future__ import annotations

from typing import Any

import pytest

from house import POST, READ, House, caller
from loaner.sandbox.ledger import Entry
from loaner.store.tables import grants, loans

GITHUB = ("github_issue_create", {"owner": "acme", "repo": "web", "title": "It broke"})
LINEAR = ("linear_create_comment", {"issueId": "ENG-1", "body": "Looking into it"})
TOKENS = {
    "github": "/login/oauth/access_token",
    "slack": "/oauth.v2.user.access",
    "linear": "/oauth/token",
}


@pytest.mark.parametrize("accumulate", [False, True])
async def test_scopes_that_add_up_at_slack_are_kept_truthfully(local: House, accumulate: bool) -> None:
    """MUST 31: wider than asked is refused, unless this person allowed the rest here before."""
    local.sandbox.switches.slack_scopes_accumulate = accumulate
    await local.browser(slack="alice").approve((await local.asked(READ)).invitation.url)
    await local.browser(slack="alice").approve((await local.asked(POST)).invitation.url)
    granted = (await local.obtain(POST)).grant.permissions
    assert granted == ({"channels:history", "chat:write"} if accumulate else {"chat:write"})


async def test_a_grant_wider_than_asked_is_refused_and_ended(local: House) -> None:
    """MUST 31."""
    local.sandbox.switches.slack_scopes_accumulate = True
    elsewhere = caller(environment="staging")
    await local.browser(slack="alice").approve((await local.asked(READ, elsewhere)).invitation.url)
    (first,) = await local.rows(grants)
    await local.store.write(lambda c: c.execute(grants.delete().where(grants.c.id == first["id"])) and None)
    before = {entry.fingerprint for entry in local.sandbox.ledger}
    needed = await local.asked(POST)
    browser = local.browser(slack="alice")
    await browser.approve(needed.invitation.url)
    assert browser.state == "failed"
    assert "channels:history" in browser.text
    assert openers(local, besides=before) == []


async def test_a_grant_narrower_than_asked_is_refused_and_ended(local: House) -> None:
    """MUST 31."""
    local.sandbox.faults.add("linear", "wrong_scope", path="/oauth/token", count=1)
    needed = await local.asked(LINEAR)
    browser = local.browser(linear="alice")
    await browser.approve(needed.invitation.url)
    assert browser.state == "failed"
    assert "granted less than the call needs: comments:create is missing" in browser.text
    assert [row["state"] for row in await local.rows(grants)] == ["revoked"]
    assert [entry for entry in local.sandbox.ledger if entry.provider == "linear" and not entry.revoked_at] == []


async def test_what_comes_along_without_reaching_anything_is_no_reason_to_refuse(local: House) -> None:
    local.sandbox.switches.slack_granted_wider = True
    await local.browser(slack="alice").approve((await local.asked(POST)).invitation.url)
    assert "identify" in (await local.obtain(POST)).grant.permissions


@pytest.mark.parametrize(("provider", "call"), [("linear", LINEAR), ("slack", POST)])
@pytest.mark.parametrize("kind", ["after:502", "after:200", "status:200"])
async def test_tokens_whose_answer_got_lost_are_listed(
    local: House, provider: str, call: tuple[str, dict[str, Any]], kind: str
) -> None:
    """A gateway's error, or an answer nobody can read, does not say that there are none."""
    local.sandbox.faults.add(provider, kind, path=TOKENS[provider], count=1)
    browser = local.browser(**{provider: "alice"})
    await browser.approve((await local.asked(call)).invitation.url)
    assert (browser.state, await pairs(local)) == ("failed", [("intent", None)])
    assert len(openers(local, besides=set())) == (1 if kind.startswith("after") else 0)


@pytest.mark.parametrize(("provider", "call"), [("linear", LINEAR), ("slack", POST)])
async def test_tokens_that_were_refused_are_not_listed(
    local: House, monkeypatch: pytest.MonkeyPatch, provider: str, call: tuple[str, dict[str, Any]]
) -> None:
    monkeypatch.setattr(f"loaner.sandbox.{provider}.oauth.CLIENT_SECRET", "another since")
    browser = local.browser(**{provider: "alice"})
    await browser.approve((await local.asked(call)).invitation.url)
    assert (browser.state, await pairs(local)) == ("failed", [("failed", "nothing was issued")])


async def test_a_device_code_answered_with_neither_tokens_nor_an_error_is_listed(local: House) -> None:
    browser = local.browser(github="alice")
    await browser.open((await local.asked(GITHUB)).invitation.url)
    await browser.press("approve")
    local.sandbox.faults.add("github", "status:200", path=TOKENS["github"], count=1)
    local.pass_time(seconds=6)
    await local.consents.poll_due()
    assert await pairs(local) == [("intent", None)]


@pytest.mark.parametrize(
    ("kind", "ended"),
    [(None, True), ("status:200", False), ("rate_limit", False), ("status:302", False), ("status:503", False)],
)
async def test_slack_tokens_that_are_not_kept_are_listed_unless_their_end_is_confirmed(
    local: House, kind: str | None, ended: bool
) -> None:
    await local.browser(slack="alice").approve((await local.asked(READ)).invitation.url)
    if kind:
        local.sandbox.faults.add("slack", kind, path="/auth.revoke", count=1)
    browser = local.browser(slack="bob")
    await browser.approve((await local.asked(POST)).invitation.url)
    assert browser.state == "failed"
    assert await pairs(local) == [("returned", "kept as the grant"), ("returned", "to be ended unused")]
    # It has no request that ends a refresh token, so that it is listed either way.
    assert [row["state"] for row in await local.rows(grants)] == ["active", "revoking"]
    assert [entry.subject for entry in alive(local)] == (["alice"] if ended else ["alice", "bob"])


@pytest.mark.parametrize(
    ("kind", "ended"), [(None, True), ("status:200", False), ("status:422", False), ("rate_limit", False)]
)
async def test_github_tokens_that_are_not_kept_are_listed_unless_their_end_is_confirmed(
    local: House, kind: str | None, ended: bool
) -> None:
    browser = local.browser(github="alice")
    await browser.open((await local.asked(GITHUB)).invitation.url)
    await browser.press("approve")
    code, link = browser.page.provider_code, browser.link()
    await browser.open(link)
    await browser.press("Continue", user_code=code)
    await browser.press("authorize")
    local.sandbox.faults.add("github", "status:500", path="/api/user", count=1)  # whose they are is not known
    if kind:
        local.sandbox.faults.add("github", kind, path="/api/applications/", count=1)
    local.pass_time(seconds=6)
    await local.consents.poll_due()
    assert await pairs(local) == [("returned", "to be ended unused")]
    assert [row["state"] for row in await local.rows(grants)] == ["revoked" if ended else "revoking"]
    assert len(alive(local)) == (0 if ended else 1)


def alive(house: House) -> list[Entry]:
    ledger = house.sandbox.ledger
    return [entry for entry in ledger if entry.kind == "user" and ledger.is_alive(entry)]


async def pairs(house: House) -> list[tuple[str, str | None]]:
    """What became of every pair that was asked for."""
    return [(row["state"], row["returned_how"]) for row in await house.rows(loans) if row["style"] == "pair"]


def openers(house: House, *, besides: set[str]) -> list[str]:
    """The access tokens that were minted since and still open something."""
    ledger = house.sandbox.ledger
    since = [entry for entry in ledger if entry.fingerprint not in besides and entry.kind != "refresh"]
    return [entry.kind for entry in since if ledger.is_alive(entry)]
