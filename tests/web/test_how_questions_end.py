"""How a question ends: by a no, by nobody's answer, by an answer too late, by its use."""

from __future__ import annotations

import anyio

from house import POST, House
from loaner.store.tables import approvals

GITHUB = ("github_issue_create", {"owner": "acme", "repo": "web", "title": "It broke"})
LINEAR = ("linear_create_comment", {"issueId": "ENG-1", "body": "Looking into it"})


async def test_a_no_here_answers_repeats_and_may_be_asked_again_later(local: House) -> None:
    needed = await local.asked(POST)
    browser = local.browser()
    await browser.open(needed.invitation.url)
    await browser.press("deny")
    assert browser.state == "denied"
    for _ in range(2):
        error = await local.refused(POST)
        assert error.code == "consent_denied"
        assert "Do not repeat it" in error.dont
    local.pass_time(minutes=11)
    assert (await local.asked(POST)).fresh


async def test_a_no_is_told_even_when_the_agent_comes_back_late(local: House) -> None:
    needed = await local.asked(POST)
    browser = local.browser()
    await browser.open(needed.invitation.url)
    await browser.press("deny")
    local.pass_time(minutes=30)
    assert (await local.refused(POST)).code == "consent_denied"
    assert (await local.asked(POST)).fresh


async def test_a_no_at_slack_is_a_no(local: House) -> None:
    needed = await local.asked(POST)
    browser = local.browser(slack="alice")
    await browser.open(needed.invitation.url)
    await browser.press("approve")
    await browser.press("cancel")
    assert browser.state == "denied"
    assert (await local.refused(POST)).code == "consent_denied"


async def test_nobody_answers(local: House) -> None:
    needed = await local.asked(POST)
    local.pass_time(minutes=11)
    browser = local.browser()
    await browser.open(needed.invitation.url)
    assert browser.state == "expired"
    assert (await local.refused(POST)).code == "consent_expired"
    again = await local.asked(POST)
    assert again.fresh
    assert again.invitation.handle != needed.invitation.handle


async def test_an_answer_after_the_end_changes_nothing(local: House) -> None:
    needed = await local.asked(POST)
    browser = local.browser()
    await browser.open(needed.invitation.url)
    local.pass_time(minutes=11)
    await browser.press("approve")
    assert browser.state == "expired"


async def test_submitting_twice_at_once_makes_one_approval(local: House) -> None:
    await local.browser(slack="alice").approve((await local.asked(POST)).invitation.url)
    await local.obtain(POST)
    needed = await local.asked(POST)
    browsers = [local.browser() for _ in range(8)]
    for browser in browsers:
        await browser.open(needed.invitation.url)
    async with anyio.create_task_group() as group:
        for browser in browsers:
            group.start_soon(browser.press, "approve")
    assert {browser.state for browser in browsers} == {"approved"}
    assert len([one for one in await local.rows(approvals) if one["uses_left"]]) == 1


async def test_a_yes_that_was_used_says_so_later(local: House) -> None:
    needed = await local.asked(POST)
    browser = local.browser(slack="alice")
    await browser.approve(needed.invitation.url)
    await local.obtain(POST)
    await browser.open(needed.invitation.url)
    assert browser.state == "approved"
    local.pass_time(minutes=2)
    await browser.open(needed.invitation.url)
    assert browser.state == "used"
