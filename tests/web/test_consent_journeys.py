"""From a call without consent to a call with it, through the pages and the emulated providers."""

from __future__ import annotations

import pytest
from house import POST, READ, Browser, House, caller

from loaner.errors import ConsentNeeded

GITHUB = ("github_issue_create", {"owner": "acme", "repo": "web", "title": "It broke"})
LINEAR = ("linear_create_comment", {"issueId": "ENG-1", "body": "Looking into it"})


async def test_one_visit_connects_slack_and_approves_the_message(local: House) -> None:
    needed = await local.asked(POST)
    browser = local.browser(slack="alice")
    await browser.approve(needed.invitation.url)
    assert browser.state == "approved"
    consent = await local.obtain(POST)
    assert consent.grant.account_name == "alice"
    assert consent.grant.permissions == {"chat:write"}
    assert consent.approval_id
    assert consent.proven_by == "local-browser"
