"""An account at a provider is one person's here: a device code that was mailed to a colleague links nothing."""

from __future__ import annotations

from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from house import CONNECTORS, Browser, House, caller, subject
from loaner.audit import Audit
from loaner.connectors import Connectors
from loaner.store.tables import grants

GITHUB = ("github_issue_read", {"owner": "acme", "repo": "web", "issue_number": 1})
SLACK = ("slack_read_channel", {"channel": "C0000000001"})


async def at_github(house: House, person: str, typed_by: str) -> Browser:
    """``person`` asks to connect GitHub on their own page, and ``typed_by`` types the code there."""
    needed = await house.asked(GITHUB, caller(subject(person)))
    browser = house.browser(github=typed_by)
    await browser.sign_in(person)
    await browser.open(needed.invitation.url)
    await browser.press("approve")
    code = browser.page.provider_code
    await browser.open(browser.link())
    await browser.press("Continue", user_code=code)
    await browser.press("authorize")
    house.pass_time(seconds=6)
    await browser.approve_account(needed.invitation.url)
    return browser


async def refusals(house: House, person: str) -> list[dict[str, Any]]:
    records = await Audit(house.store, house.now).tail(50, subject=subject(person).key)
    return [record.body for record in records if record.body["kind"] == "account_refused"]


async def test_another_persons_account_is_not_linked_and_both_have_it_in_their_records(shared_house: House) -> None:
    """MUST 22, RFC 8628 section 5.4: Bob asks, and mails GitHub's code to Alice."""
    await at_github(shared_house, "alice", "alice")
    bob = await at_github(shared_house, "bob", "alice")
    assert bob.state == "failed"
    assert "another person's here" in unescape(bob.text)
    rows = [row for row in await shared_house.rows(grants) if row["state"] == "active"]
    assert [(row["subject"], row["account_name"]) for row in rows] == [(subject("alice").key, "alice")]
    for person in ("alice", "bob"):
        (told,) = await refusals(shared_house, person)
        assert (told["code"], told["outcome"]) == ("account_of_another", "denied")
    ledger = [entry for entry in shared_house.sandbox.ledger if entry.kind == "user"]
    assert [entry.revoked_at for entry in ledger].count(None) == 1, "what came for Bob was ended at GitHub"
    assert "another" in (await shared_house.refused(GITHUB, caller(subject("bob")))).told()


async def test_it_is_theirs_in_every_environment(shared_house: House) -> None:
    """MUST 22."""
    await at_github(shared_house, "alice", "alice")
    everywhere = grants.update().values(environment="production", connector="github-prod", state="disabled")
    await shared_house.store.write(lambda c: c.execute(everywhere) and None)
    assert (await at_github(shared_house, "bob", "alice")).state == "failed"


async def test_by_redirect_too(shared_house: House) -> None:
    """MUST 22: of the two who link one account at once, one keeps it."""
    for person, state in (("alice", "approved"), ("bob", "failed")):
        needed = await shared_house.asked(SLACK, caller(subject(person)))
        browser = shared_house.browser(slack="alice")
        await browser.sign_in(person)
        await browser.approve(needed.invitation.url)
        assert browser.state == state
    assert [row["state"] for row in await shared_house.rows(grants)].count("active") == 1


async def test_an_account_that_its_owner_let_go_is_free(shared_house: House) -> None:
    await at_github(shared_house, "alice", "alice")
    await shared_house.store.write(lambda c: c.execute(grants.update().values(state="revoked")) and None)
    assert (await at_github(shared_house, "bob", "alice")).state == "approved"


async def test_a_bots_account_may_be_several_peoples_where_settings_say_so(
    shared_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = Connectors([replace(one, shared_accounts=True) for one in CONNECTORS])
    monkeypatch.setattr(Connectors, "named", lambda _, name: {one.name: one for one in shared}[name])
    await at_github(shared_house, "alice", "alice")
    assert (await at_github(shared_house, "bob", "alice")).state == "approved"
    assert len(await shared_house.rows(grants)) == 2
