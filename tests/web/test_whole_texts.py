"""All of what is approved can be read: a long text has its two ends on the page, and the whole one button away."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest

from house import LOCAL, POST, House, caller, subject
from loaner.audit import Audit
from loaner.consent import Proposal, texts
from loaner.consent.texts import all_opened, texts_of
from loaner.errors import ConsentNeeded

BAD = "rm -rf / # the harmful line"
LONG = "harmless line\n" * 40_000 + BAD
FILE = {"owner": "acme", "repo": "web", "path": "docs/notes.md", "message": "Notes", "branch": "main"}


def call(content: str) -> tuple[str, dict[str, Any]]:
    return "github_create_or_update_file", FILE | {"content": content}


async def approvals(house: House) -> list[dict[str, Any]]:
    records = await Audit(house.store, house.now).tail(50)
    return [record.body for record in records if record.body["kind"] == "approval_given"]


async def test_both_ends_of_a_long_text_are_shown_and_its_measures(local: House) -> None:
    """MUST 24: what does harm is put where nobody looks."""
    needed = await local.asked(call(LONG))
    browser = local.browser()
    await browser.open(needed.invitation.url)
    assert BAD in browser.text
    assert "harmless line harmless line" in browser.text
    assert f"{len(LONG):,} characters, 40,001 lines" in browser.text
    assert hashlib.sha256(LONG.encode()).hexdigest() in browser.text
    assert f"{len(LONG) - 20_000} more characters" in browser.text
    assert "not opened yet" in browser.text


async def test_the_whole_is_one_button_away_as_plain_text(local: House) -> None:
    """MUST 24, 26."""
    needed = await local.asked(call(LONG.replace("harmless", "harm\u3164less", 1)))
    browser = local.browser()
    await browser.open(needed.invitation.url)
    answer = await browser.press("Read the whole text")
    assert answer.text == LONG.replace("harmless", "harmU+3164less", 1)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("length", [1, 19_999, 20_000])
async def test_a_text_that_is_not_that_long_stands_on_the_page_whole(local: House, length: int) -> None:
    """MUST 24: the cut is not lowered unnoticed."""
    text = "".join(f"{number:05d}|" for number in range(4000))[: length - 1] + "!"
    browser = local.browser()
    answer = await browser.open((await local.asked(call(text))).invitation.url)
    assert f"<bdi>{text}</bdi>" in answer.text
    assert "more characters" not in answer.text


async def test_a_text_one_character_longer_shows_ten_thousand_of_each_end(local: House) -> None:
    text = "a" * 10_000 + "b" + "c" * 10_000
    browser = local.browser()
    answer = await browser.open((await local.asked(call(text))).invitation.url)
    assert f"<bdi>{'a' * 10_000}</bdi>" in answer.text
    assert f"<bdi>{'c' * 10_000}</bdi>" in answer.text
    assert ">1 more characters<" in answer.text


@pytest.mark.parametrize("opens", [True, False])
async def test_the_record_of_a_yes_says_whether_the_whole_was_opened(local: House, opens: bool) -> None:
    """MUST 23, 58: pressing notes it, and a GET does not, whoever makes it: a bot, or a browser that looks ahead."""
    needed = await local.asked(
        ("slack_send_message", {"channel": "#releases", "text": "x" * 30_000, "format": "mrkdwn"})
    )
    browser = local.browser(slack="alice")
    await browser.open(needed.invitation.url)
    place = _content(browser.answer)
    answer = await (
        browser.press("Read the whole text") if opens else browser.open(f"{needed.invitation.url}/whole/{place}")
    )
    assert answer.text == "x" * 30_000
    await browser.open(needed.invitation.url)
    assert ("(opened)" in browser.text) is opens
    await browser.approve(needed.invitation.url)
    (given,) = await approvals(local)
    assert given["whole_text_opened"] is opens


async def test_a_text_of_another_question_is_another(local: House) -> None:
    first, second = [
        await local.asked(("slack_send_message", {"channel": "#releases", "text": letter * 30_000, "format": "mrkdwn"}))
        for letter in "xy"
    ]
    browser = local.browser()
    await browser.open(first.invitation.url)
    await browser.press("Read the whole text")
    await browser.open(second.invitation.url)
    assert "(opened)" not in browser.text


async def test_of_two_long_texts_both_have_to_be_opened(local: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """MUST 58."""
    monkeypatch.setattr(texts, "LONGEST", 1000)
    name, arguments = call(LONG)
    needed = await local.asked((name, arguments | {"message": "y" * 2000}))
    asked = await local.consents.question(needed.invitation.handle, LOCAL)
    assert asked
    first, second = [text.place for text in texts_of(asked) if text.is_cut]

    def said() -> bool | None:
        return local.store.read_now(lambda c: all_opened(c, asked))

    assert said() is False
    await local.consents.note_opened(asked, first)
    assert said() is False
    await local.consents.note_opened(asked, second)
    assert said() is True


async def test_where_nothing_is_cut_there_is_nothing_to_say(local: House) -> None:
    needed = await local.asked(POST)
    await local.browser(slack="alice").approve(needed.invitation.url)
    (given,) = await approvals(local)
    assert "whole_text_opened" not in given


async def test_the_whole_text_is_for_the_person_who_is_asked(shared_house: House) -> None:
    """MUST 22: another's is as unknown as none."""
    needed = await shared_house.asked(call(LONG), caller(subject("alice")))
    whole = f"{needed.invitation.url}/whole/2"
    bob = shared_house.browser()
    await bob.open(whole)
    assert BAD not in bob.text, "nobody before signing in"
    await bob.sign_in("bob")
    assert (await bob.open(whole)).status_code == 404
    assert BAD not in bob.text
    alice = shared_house.browser()
    await alice.sign_in("alice")
    place = _content(await alice.open(needed.invitation.url))
    assert BAD in (await alice.open(f"{needed.invitation.url}/whole/{place}")).text
    for place in ("99", "-1", "x", "0x1"):
        assert (await alice.open(f"{needed.invitation.url}/whole/{place}")).status_code == 404


def _content(answer: Any) -> str:
    return str(re.findall(r'/whole/(\d+)"', answer.text)[0])


async def test_what_a_task_fixes_can_be_read_whole_too(local: House) -> None:
    """MUST 24."""
    wanted = {
        "purpose": "publish the notes",
        "resources": ["#releases"],
        "operations": [{"tool": "slack_send_message", "arguments": {"text": "y" * 30_000 + BAD}}],
    }
    with pytest.raises(ConsentNeeded) as asked:
        await local.consents.tasks.propose(caller(LOCAL), Proposal.of(wanted))
    browser = local.browser()
    answer = await browser.open(asked.value.invitation.url)
    assert BAD in answer.text
    assert f"{30_000 + len(BAD):,} characters" in browser.text
    assert (await browser.press("Read the whole text")).text == "y" * 30_000 + BAD
