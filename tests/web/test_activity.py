"""The page "what happened": the hours drawn, the lines, and each record in full."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from house import LOCAL, POST, PROVIDERS, House, subject
from loaner.audit import append
from loaner.clock import iso

RETURNED = {"lived_ms": 41, "returned_how": "revoked at GitHub", "returned_confirmed": True}


async def add(house: House, sub: str = "", *, hours_ago: int = 0, **said: Any) -> int:
    """One more record of a call."""
    who = subject(sub) if sub else LOCAL
    at = house.now() - timedelta(hours=hours_ago)
    body = {
        "v": 1,
        "id": f"call-{house.now().timestamp()}-{len(said)}-{hours_ago}-{sub}-{said}",
        "kind": "call",
        "asked_at": iso(at),
        "issuer": who.issuer,
        "sub": who.sub,
        "agent": "claude-code",
        "tool": "github_issue_read",
        "resource": "repository:acme/web",
        "needed_permissions": ["issues:read"],
        "outcome": "ok",
    } | said
    return await house.store.write(lambda c: append(c, body, at))


async def test_a_yes_is_a_line_of_its_own(local: House) -> None:
    browser = local.browser(slack="alice")
    await browser.approve((await local.asked(POST)).invitation.url)
    await browser.open("/activity")
    assert "grant linked" in browser.text
    assert "approval given" in browser.text
    assert "#releases" in browser.text


async def test_a_line_says_what_was_done_with_which_key_and_how_it_ended(local: House) -> None:
    await add(local, **RETURNED)
    await add(local, outcome="refused", code="policy_denied")
    browser = local.browser()
    page = (await browser.open("/activity")).text
    for told in ("github_issue_read", "acme/web", "issues:read", "lived 41 ms, revoked at GitHub", "policy_denied"):
        assert told in page
    assert page.index("policy_denied") < page.index("lived 41 ms"), "the newest first"


async def test_a_record_of_a_refusal_that_one_visit_ends_leads_there(local: House) -> None:
    """An organisation's own sign-in: a page of the provider, made from the account of the resource that was checked."""
    failed = {"outcome": "failed", "code": "provider_forbidden", "provider": "github"}
    browser = local.browser()
    number = await add(local, **failed, word="single_sign_on", resource="repository:otherorg/web")
    page = (await browser.open(f"/activity/{number}")).text
    assert re.findall(r'href="([^"]*/orgs/[^"]*)"', page) == [f"{PROVIDERS}/github/orgs/otherorg/sso"]
    assert "otherorg wants the user to be signed in" in browser.text
    for other in ({"word": "archived"}, {"word": "no such word"}, {"word": "single_sign_on", "provider": "gone"}):
        number = await add(local, **failed | other)
        assert "/sso" not in (await browser.open(f"/activity/{number}")).text


async def test_the_hours_are_drawn_with_what_was_stopped_in_them(local: House) -> None:
    for hours, outcome in ((0, "ok"), (0, "refused"), (3, "consent_needed"), (20, "ok")):
        await add(local, hours_ago=hours, outcome=outcome)
    browser = local.browser()
    page = (await browser.open("/activity")).text
    assert "3 in the last 12 h" in page
    assert "1 stopped or failed" in page
    assert page.count('height="100.0"') == 1, "the fullest hour"
    assert page.count('height="50.0"') == 2, "half as many: one hour's calls, and what was stopped in the fullest"


async def test_nothing_yet_is_said_in_words(local: House) -> None:
    browser = local.browser()
    await browser.open("/activity")
    assert "Nothing was done for you yet." in browser.text
    assert "<svg" not in (await browser.open("/activity")).text


async def test_a_record_is_shown_in_full(local: House) -> None:
    seq = await add(local, limits=[{"what": "resource", "value": "acme/web", "enforced_by": "provider"}], **RETURNED)
    browser = local.browser()
    page = (await browser.open(f"/activity/{seq}")).text
    assert "provider: acme/web" in page.replace("<bdi>", "").replace("</bdi>", "")
    assert "returned confirmed" in page
    assert f"loaner audit prove {seq}" in page


@pytest.mark.parametrize("number", ["0", "999", "-1", "x", "9" * 40, "1 or 1=1", "%C2%B2"])
async def test_what_is_no_record_of_mine_is_unknown(local: House, number: str) -> None:
    seq = await add(local, "alice")
    browser = local.browser()
    answers = [await browser.open(f"/activity/{one}") for one in (number, seq)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].text == answers[1].text


async def test_text_of_an_agent_stays_text(local: House) -> None:
    await add(local, agent="<script>alert(1)</script>\u202e")
    page = (await local.browser().open("/activity")).text
    assert "<script>" not in page
    assert "\u202e" not in page
