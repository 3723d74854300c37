"""What a person reads: the sentence, the exact payload, who enforces what, and how each question ended."""

from __future__ import annotations

import re
from html import unescape

import pytest

from house import LOCAL, OURS, POST, READ, House, caller, subject
from loaner.consent import Proposal, approvals
from loaner.errors import ConsentNeeded
from loaner.identity.caller import Agent, Caller
from loaner.store.tables import grants
from loaner.web.pages import written


async def test_the_page_says_in_one_sentence_who_wants_what(local: House) -> None:
    """MUST 24."""
    needed = await local.asked(POST)
    browser = local.browser()
    await browser.open(needed.invitation.url)
    text = browser.text
    assert "Connect Slack, and let Claude Code post one message in #releases?" in text
    assert needed.invitation.user_code in text
    for told in (
        "slack_send_message",
        "v1.4.0 is out",
        "chat:write ; with it, Slack itself would allow the same anywhere you can enforced by Slack",
        "exactly this, once, unless you choose otherwise below enforced by loaner",
        "claude-code 2.1 reported, not verified",
        "this computer (stdio, pid 4121) observed",
        "development",
        "Choose Deny . loaner never sends codes by mail or chat.",
        "expires",
    ):
        assert told in text


async def test_what_is_taken_away_is_said_so(local: House) -> None:
    """MUST 24: an empty line would say nothing."""
    issue = {"owner": "acme", "repo": "web", "issue_number": 1}
    browser = local.browser()
    await browser.open((await local.asked(("github_issue_update", issue | {"labels": [], "body": ""}))).invitation.url)
    assert "clears the labels" in browser.text
    assert "clears the body" in browser.text
    task = {
        "purpose": "tidy up",
        "operations": [{"tool": "github_issue_update", "arguments": {"labels": []}}],
        "resources": ["acme/web"],
    }
    with pytest.raises(ConsentNeeded) as proposed:
        await local.consents.tasks.propose(caller(), Proposal.of(task))
    await browser.open(proposed.value.invitation.url)
    assert "clears labels" in browser.text


async def test_what_is_outside_of_the_task_is_said(local: House) -> None:
    """MUST 24: an injected call looks like any other; that nobody agreed to it beforehand tells it apart."""
    operations = [{"tool": "slack_send_message"}]
    task = Proposal.of({"purpose": "announce", "operations": operations, "resources": ["#releases"]})
    with pytest.raises(ConsentNeeded) as proposed:
        await local.consents.tasks.propose(caller(), task)
    browser = local.browser(slack="alice")
    await browser.approve(proposed.value.invitation.url)
    await browser.open((await local.asked((POST[0], POST[1] | {"channel": "#general"}))).invitation.url)
    assert "Not agreed to This is outside the task “announce”: #general is none of its resources" in browser.text


async def test_github_is_said_to_enforce_what_it_enforces(local: House) -> None:
    needed = await local.asked(("github_issue_create", {"owner": "acme", "repo": "web", "title": "It broke"}))
    browser = local.browser()
    await browser.open(needed.invitation.url)
    assert "nothing more is in the key that is made for the call enforced by GitHub" in browser.text
    assert "acme/web enforced by GitHub" in browser.text


async def test_a_limit_that_slack_does_not_enforce_is_not_said_to_be_slacks(local: House) -> None:
    needed = await local.asked(POST)
    browser = local.browser()
    await browser.open(needed.invitation.url)
    assert "#releases enforced by loaner" in browser.text


async def test_deny_comes_first_and_looks_like_its_equal(local: House) -> None:
    """MUST 24: the Enter key takes the first button of a form."""
    needed = await local.asked(POST)
    browser = local.browser()
    await browser.open(needed.invitation.url)
    form = browser.page.forms[0]
    assert [button.value for button in form.buttons] == ["deny", "approve"]
    assert form.fields["remember"] == "once"
    assert browser.answer is not None
    assert re.findall(r"<button[^>]*decision[^>]*class", browser.answer.text) == []


async def test_what_an_agent_says_is_shown_and_never_becomes_markup(local: House) -> None:
    """MUST 24: names and payloads are escaped; characters that hide or reorder text are made visible."""
    nasty = '<img src=x onerror=alert(1)>"\u202egnp.exe\u2066 \u200bok'
    agent = Caller(LOCAL, Agent(f"{nasty}{'x' * 500}"), "development", nasty)
    needed = await local.asked((POST[0], POST[1] | {"text": nasty}), agent)
    browser = local.browser()
    answer = await browser.open(needed.invitation.url)
    assert "<img" not in answer.text
    for hidden in ("\u202e", "\u2066", "\u200b"):
        assert hidden not in answer.text
    assert "U+202E" in browser.text
    await browser.open("/")
    assert browser.answer is not None
    assert "<img" not in browser.answer.text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\u202eb", 'a<span class="hidden-char">U+202E</span>b'),
        ("a\x00b", 'a<span class="hidden-char">U+0000</span>b'),
        ("pay\u00adpal", 'pay<span class="hidden-char">U+00AD</span>pal'),
        ("two\nlines\tand", "two\nlines\tand"),
        ("\U0001f469\u200d\U0001f680", "\U0001f469\u200d\U0001f680"),
        ("a\u200db", 'a<span class="hidden-char">U+200D</span>b'),
        ("<b>&", "&lt;b&gt;&amp;"),
    ],
)
def test_hidden_characters_are_made_visible(text: str, shown: str) -> None:
    assert str(written(text)) == f"<bdi>{shown}</bdi>"


async def test_a_verified_agent_is_marked_as_such(local: House) -> None:
    who = Caller(LOCAL, Agent("ci-bot", "client", "https://issuer.example"), "development", "203.0.113.7")
    needed = await local.asked(POST, who)
    browser = local.browser()
    await browser.open(needed.invitation.url)
    assert "ci-bot verified" in browser.text


async def test_no_page_needs_a_script(local: House) -> None:
    needed = await local.asked(POST)
    for path in (needed.invitation.url, "/", "/device", "/activity"):
        answer = await local.browser().open(path)
        assert "<script" not in answer.text
        assert " style=" not in answer.text


async def test_after_the_yes_the_page_says_what_to_do_in_the_client(local: House) -> None:
    needed = await local.asked(READ)
    browser = local.browser(slack="alice")
    await browser.approve(needed.invitation.url)
    assert "Back in Claude Code , press “I'm done, continue”" in unescape(browser.text)


async def test_everything_allowed_is_listed_and_can_be_taken_back(local: House) -> None:
    await local.browser(slack="alice").approve((await local.asked(POST)).invitation.url)
    waiting = await local.asked((POST[0], POST[1] | {"text": "another"}))
    browser = local.browser()
    await browser.open("/")
    assert "Slack as alice" in browser.text
    assert waiting.invitation.handle in browser.answer.text  # type: ignore[union-attr]
    await browser.press("Take back")
    assert "No approval is open" in browser.text
    assert (await local.refused(POST)).code == "consent_required"
    await browser.press("Revoke")
    assert local.revoked == [row["id"] for row in await local.rows(grants)]


async def test_nobody_takes_back_what_is_anothers(shared_house: House) -> None:
    """MUST 15."""
    alices = caller(subject("alice"))
    alice, bob = shared_house.browser(slack="alice"), shared_house.browser()
    await alice.sign_in("alice")
    await bob.sign_in("bob")
    await alice.approve((await shared_house.asked(POST, alices)).invitation.url)
    await bob.open("/")
    assert "No account is connected" in bob.text
    token = bob.page.forms[0].fields["form_token"]
    grant = (await shared_house.rows(grants))[0]["id"]
    approval = (await shared_house.store.read(lambda c: approvals.all_of(c, subject("alice").key, shared_house.now())))[
        0
    ]
    for path in (f"/grants/{grant}/revoke", f"/approvals/{approval.id}/end"):
        answer = await bob.http.post(path, data={"form_token": token}, headers={"Origin": OURS})
        assert answer.status_code == 404
    assert shared_house.revoked == []
    await shared_house.obtain(POST, alices)


async def test_tools_for_the_sandbox_can_tell_a_real_loaner(local: House) -> None:
    answer = await local.browser().open("/.well-known/loaner")
    assert answer.json() == {"name": "loaner", "version": "0.1.0", "sandbox": "http://127.0.0.1:9"}
