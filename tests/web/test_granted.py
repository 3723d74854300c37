"""What a provider granted is compared with what was asked: no more, no less, and what has always come along."""

from __future__ import annotations

import pytest

from house import POST, READ, House, caller
from loaner.store.tables import grants

LINEAR = ("linear_create_comment", {"issueId": "ENG-1", "body": "Looking into it"})


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
    await local.store.write(lambda c: local.consents.grants.end(c, first["id"], state="revoked", reason="test"))
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
    assert await local.rows(grants) == []


async def test_what_comes_along_without_reaching_anything_is_no_reason_to_refuse(local: House) -> None:
    local.sandbox.switches.slack_granted_wider = True
    await local.browser(slack="alice").approve((await local.asked(POST)).invitation.url)
    assert "identify" in (await local.obtain(POST)).grant.permissions


def openers(house: House, *, besides: set[str]) -> list[str]:
    """The access tokens that were minted since and still open something."""
    ledger = house.sandbox.ledger
    since = [entry for entry in ledger if entry.fingerprint not in besides and entry.kind != "refresh"]
    return [entry.kind for entry in since if ledger.is_alive(entry)]
