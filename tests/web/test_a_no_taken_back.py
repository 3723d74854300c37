"""A "no" is final for the agent; the person who said it may want the very same call after all."""

from __future__ import annotations

import pytest

from house import POST, House, caller
from loaner.blocks import blocks
from loaner.blocks.blocks import Block
from loaner.consent import Proposal
from loaner.errors import ConsentNeeded, LoanerError

TASK = Proposal.of({"purpose": "announce", "operations": [{"tool": "slack_send_message"}], "resources": ["#releases"]})


async def test_a_no_is_taken_back_by_its_person_alone(local: House) -> None:
    """An agent that was talked into a call is refused; the same call by the person's own request need not stay so."""
    needed = await local.asked(POST)
    browser = local.browser(slack="alice")
    await browser.open(needed.invitation.url)
    await browser.press("deny")
    assert (await local.refused(POST)).code == "consent_denied"
    await browser.open("/")
    assert "you said no" in browser.text
    await browser.open(needed.invitation.url)
    await browser.press("again")
    assert browser.state == "confirm", "nothing is approved by that"
    assert not (await local.asked(POST)).fresh, "the same question waits again"
    await browser.press("approve")
    await browser.press("allow")
    await browser.is_me()
    assert (await local.obtain(POST)).approval_id


async def test_a_no_that_a_block_stands_behind_is_not_taken_back(local: House) -> None:
    needed = await local.asked(POST)
    browser = local.browser()
    await browser.open(needed.invitation.url)
    await browser.press("deny")
    await local.store.write(
        lambda c: blocks.put_block(c, Block("agent", "reported claude-code", "an operator", local.now()))
    )
    await browser.press("again")
    assert browser.answer is not None
    assert browser.answer.status_code == 403
    await browser.open(needed.invitation.url)
    assert browser.state == "denied"


async def test_a_no_that_ran_out_is_not_taken_back(local: House) -> None:
    needed = await local.asked(POST)
    browser = local.browser()
    await browser.open(needed.invitation.url)
    await browser.press("deny")
    local.pass_time(minutes=11)
    await browser.press("again")
    assert browser.state == "denied"
    assert (await local.refused(POST)).code == "consent_denied"
    await browser.open("/")
    assert "you said no" not in browser.text


async def test_a_refused_task_may_be_agreed_to_after_all(local: House) -> None:
    async def proposed() -> LoanerError:
        with pytest.raises(LoanerError) as told:
            await local.consents.tasks.propose(caller(), TASK)
        return told.value

    asked = await proposed()
    assert isinstance(asked, ConsentNeeded)
    browser = local.browser()
    await browser.open(asked.invitation.url)
    await browser.press("deny")
    assert (await proposed()).code == "consent_denied"
    await browser.press("again")
    await browser.press("approve")
    assert browser.state == "approved"
    assert (await local.consents.tasks.propose(caller(), TASK)).left
