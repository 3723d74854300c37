"""What a person may choose about reading is what the page offers, and nothing else that a form says."""

from __future__ import annotations

from datetime import timedelta

import pytest

from house import READ, House, caller
from loaner.consent.approvals import ANY_AGENT
from loaner.store.tables import approvals, consents, grants


@pytest.mark.parametrize(
    "typed",
    [
        {"reads": "none"},
        {"reads": "somewhere"},
        {"reads": "here "},
        {"agents": "others"},
        {"agents": ANY_AGENT},
        {"lasting": "year"},
        {"lasting": "9999d"},
    ],
    ids=str,
)
async def test_what_the_page_does_not_offer_is_refused(local: House, typed: dict[str, str]) -> None:
    """Neither a reach, nor for whom, nor for how long."""
    browser = local.browser(slack="alice")
    asked = await local.asked(READ)
    await browser.open(asked.invitation.url)
    answer = await browser.press("approve", **typed)
    assert answer.status_code == 400
    assert "Choose what the page offers." in browser.text
    assert await local.rows(approvals) == await local.rows(grants) == []
    assert not (await local.asked(READ)).fresh, "the question still waits"


async def test_what_a_form_leaves_out_is_the_narrowest(local: House) -> None:
    browser = local.browser(slack="alice")
    await browser.open((await local.asked(READ)).invitation.url)
    await browser.press("approve", reads="", agents="", lasting="")
    await browser.press("allow")
    await browser.is_me()
    (given,) = await local.rows(approvals)
    assert (given["agent"], given["resources"]) == (caller().agent.key, ["channel:C0000000001"])
    assert given["expires_at"] - given["created_at"] == timedelta(days=30)


@pytest.mark.parametrize("reach", ["here", "kind"])
async def test_an_account_that_is_connected_beforehand_is_about_no_place(local: House, reach: str) -> None:
    browser = local.browser(slack="alice")
    await browser.open("/connect")
    await browser.press("Connect Slack")
    answer = await browser.press("approve", reads=reach)
    assert (answer.status_code, await local.rows(approvals)) == (400, [])
    assert [row["state"] for row in await local.rows(consents)] == ["pending"]


async def test_what_is_agreed_to_beforehand_is_for_every_program(local: House) -> None:
    """No agent asked, so none is meant; whatever a form says."""
    browser = local.browser(slack="alice")
    await browser.open("/connect")
    await browser.press("Connect Slack")
    await browser.press("approve", reads="everything", agents="this")
    await browser.press("allow")
    await browser.is_me()
    assert [row["agent"] for row in await local.rows(approvals)] == [ANY_AGENT]
