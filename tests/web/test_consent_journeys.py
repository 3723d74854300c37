"""From a call without consent to a call with it, through the pages and the emulated providers."""

from __future__ import annotations

import re
from typing import Any

import anyio
import pytest
from sqlalchemy import update

import house
from house import POST, READ, Browser, House, caller
from loaner.errors import SettingsInvalid
from loaner.store.tables import approvals, consents, grants
from policy.ruled import policy as ruled

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


async def test_an_approval_of_one_call_serves_no_other_and_no_second_time(local: House) -> None:
    """MUST 27, 28: bound to the exact arguments, and used up."""
    needed = await local.asked(POST)
    await local.browser(slack="alice").approve(needed.invitation.url)
    other = (POST[0], POST[1] | {"text": "v1.4.0 is out!"})
    assert (await local.asked(other)).fresh
    await local.obtain(POST)
    assert (await local.asked(POST)).fresh


async def test_an_hour_covers_the_same_operation_on_the_same_resource_only(local: House) -> None:
    needed = await local.asked(POST)
    await local.browser(slack="alice").approve(needed.invitation.url, remember="hour")
    for text in ("one", "two", "three"):
        assert (await local.obtain((POST[0], POST[1] | {"text": text}))).approval_id
    await local.asked((POST[0], POST[1] | {"channel": "#general"}))
    await local.asked(POST, caller(agent="another-agent"))
    local.pass_time(minutes=61)
    await local.asked(POST)


async def test_once_is_ten_minutes_and_an_hour_is_a_hundred_times(local: House) -> None:
    """MUST 28: nothing that was agreed to lasts for longer, or for more, than its page said."""
    await local.browser(slack="alice").approve((await local.asked(POST)).invitation.url)
    local.pass_time(minutes=10, seconds=1)
    needed = await local.asked(POST)
    browser = local.browser()
    await browser.open(needed.invitation.url)
    assert "up to 100 times within 1 hour" in browser.text
    await browser.press("approve", remember="hour")
    assert [one["uses_left"] for one in await local.rows(approvals) if one["expires_at"] > local.now()] == [100]


@pytest.mark.parametrize("typed", ["", "releases", "#general"])
async def test_what_is_destroyed_is_typed_and_allowed_once_whatever_the_form_says(local: House, typed: str) -> None:
    """MUST 28: a form that somebody wrote by hand is no way to an hour of deleting."""
    delete = ("slack_delete_message", {"channel": "#releases", "ts": "1763800000.000100"})
    needed = await local.asked(delete)
    browser = local.browser(slack="alice")
    await browser.open(needed.invitation.url)
    await browser.press("approve", remember="hour", target=typed)
    assert "That is not what would be destroyed. Nothing was approved." in browser.text
    assert browser.state == "confirm"
    assert not (await local.asked(delete)).fresh
    await browser.press("approve", remember="hour", target="#releases")
    await browser.press("allow")  # Slack connects the account
    await browser.is_me()
    assert browser.state == "approved"
    given = [one for one in await local.rows(approvals) if one["operations"] == [delete[0]]]
    assert [(one["uses_left"], one["digest"] is None) for one in given] == [(1, False)]


async def test_where_a_rule_demands_a_yes_to_the_very_call_an_hours_yes_is_not_enough(
    local: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MUST 28: nor is an hour offered there."""
    await local.browser(slack="alice").approve((await local.asked(POST)).invitation.url, remember="hour")
    await local.obtain(POST)
    each = ruled('@id("each") permit (principal, action, resource) when { context.approved_exactly };')
    monkeypatch.setattr(house, "policy", lambda: each)
    needed = await local.asked(POST)
    browser = local.browser()
    await browser.open(needed.invitation.url)
    assert "remember" not in browser.page.forms[0].fields
    await browser.press("approve")
    await local.obtain(POST)
    assert (await local.asked(POST)).fresh


async def test_a_read_needs_the_connection_and_what_was_chosen_with_it(local: House) -> None:
    needed = await local.asked(READ)
    browser = local.browser(slack="alice")
    await browser.approve(needed.invitation.url)
    assert browser.state == "approved"
    consent = await local.obtain(READ)
    assert consent.approval_id
    assert consent.rule == "reads-inside-a-grant"
    assert (await local.obtain((READ[0], READ[1] | {"limit": 3}))).grant == consent.grant


async def test_a_connected_account_is_not_asked_for_again(local: House) -> None:
    await local.browser(slack="alice").approve((await local.asked(POST)).invitation.url)
    await local.obtain(POST)
    browser = local.browser()  # not signed in at Slack: it is not needed
    await browser.approve((await local.asked(POST)).invitation.url)
    assert browser.state == "approved"
    await local.obtain(POST)


async def connect_github(house: House, browser: Browser, url: str) -> None:
    await browser.open(url)
    await browser.press("approve")
    assert browser.state == "provider"
    code, link = browser.page.provider_code, browser.link()
    await browser.open(link)
    await browser.press("Continue", user_code=code)
    await browser.press("authorize")


async def test_github_is_connected_by_its_own_device_flow(local: House) -> None:
    needed = await local.asked(GITHUB)
    browser = local.browser(github="alice")
    await connect_github(local, browser, needed.invitation.url)
    await browser.open(needed.invitation.url)
    assert browser.state == "provider"  # GitHub is not asked before its interval is over
    local.pass_time(seconds=6)
    await browser.open(needed.invitation.url)
    await browser.is_me()
    assert browser.state == "approved"
    assert (await local.obtain(GITHUB)).grant.account_name == "alice"


async def test_an_app_without_device_flow_ends_the_question_and_names_the_cure(local: House) -> None:
    """Waiting is no use to the person, and repeating none to the agent: an operator has to act."""
    local.sandbox.inside["github"].app.device_flow_enabled = False
    needed = await local.asked(GITHUB)
    browser = local.browser(github="alice")
    await browser.open(needed.invitation.url)
    await browser.press("approve")
    assert browser.state == "failed"
    assert "An operator has to tick “Enable Device Flow”" in browser.text
    assert "minute" not in browser.text
    with pytest.raises(SettingsInvalid, match="tick “Enable Device Flow”") as told:
        await local.obtain(GITHUB)
    assert told.value.retry == "never"
    assert list(local.sandbox.ledger) == []


@pytest.mark.parametrize(("provider", "call"), [("github", GITHUB), ("slack", POST)])
async def test_what_was_begun_at_one_host_is_not_finished_at_another(
    local: House, provider: str, call: tuple[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """MUST 44: neither a device code nor an authorization code goes to a host that did not give it out."""
    here = local.catalog.providers[provider]
    elsewhere = here.at({key: f"{base}/elsewhere" for key, base in here.hosts.items()})
    needed, browser = await local.asked(call), local.browser(**{provider: "alice"})
    if provider == "github":
        await connect_github(local, browser, needed.invitation.url)
        monkeypatch.setitem(local.catalog.providers, provider, elsewhere)
        local.pass_time(seconds=6)
    else:
        await browser.open(needed.invitation.url)
        await browser.press("approve")
        monkeypatch.setitem(local.catalog.providers, provider, elsewhere)
        await browser.press("allow")
    await browser.open(needed.invitation.url)
    assert browser.state == "failed"
    assert "cannot be finished any more" in browser.text
    assert list(local.sandbox.ledger) == []


async def test_a_page_that_renews_itself_can_be_told_not_to(local: House) -> None:
    """WCAG 2.2 §2.2.1."""
    needed = await local.asked(GITHUB)
    browser = local.browser()
    await browser.open(needed.invitation.url)
    answer = await browser.press("approve")
    assert browser.state == "provider"
    assert answer.headers["refresh"] == "3"
    assert "refresh" not in (await browser.open(f"{needed.invitation.url}?renew=off")).headers
    assert "does not renew itself" in browser.text


async def test_a_device_code_is_redeemed_once_by_sixty_four_pollers(local: House) -> None:
    """MUST 20: of as many processes that find the same flow due, one asks, and one grant is kept."""
    needed = await local.asked(GITHUB)
    await connect_github(local, local.browser(github="alice"), needed.invitation.url)
    local.pass_time(seconds=6)
    processes = [local.consents_of_another_process() for _ in range(64)]
    async with anyio.create_task_group() as group:
        for process in processes:
            group.start_soon(process.poll_due)
    assert [row["state"] for row in await local.rows(consents)] == ["account"]
    assert len(await local.rows(grants)) == 1
    assert len([entry for entry in local.sandbox.ledger if entry.kind == "user"]) == 1


async def test_repeating_the_call_moves_the_device_flow_on(local: House) -> None:
    needed = await local.asked(GITHUB)
    await connect_github(local, browser := local.browser(github="alice"), needed.invitation.url)
    local.pass_time(seconds=6)
    assert not (await local.asked(GITHUB)).fresh
    assert [row["state"] for row in await local.rows(consents)] == ["account"]
    await browser.approve_account(needed.invitation.url)
    assert (await local.obtain(GITHUB)).approval_id


async def test_a_begun_flow_that_was_altered_ends_in_words(local: House) -> None:
    """MUST 52: a sealed value of another row does not open, and is not polled for ever."""
    needed = await local.asked(GITHUB)
    await connect_github(local, local.browser(github="alice"), needed.invitation.url)
    await local.store.write(lambda c: c.execute(update(consents).values(sealed=b"x" * 99)) and None)
    local.pass_time(seconds=6)
    await local.consents.poll_due()
    assert [row["state"] for row in await local.rows(consents)] == ["failed"]


@pytest.mark.parametrize("altered", [{"subject": "local eve"}, {"wants_approval": False}, {"digest": "aa"}], ids=str)
async def test_a_question_that_was_altered_is_as_unknown_as_none(local: House, altered: dict[str, Any]) -> None:
    """MUST 24: what a person answers is what loaner asked; nobody else's words lead to an approval."""
    needed = await local.asked(GITHUB)
    await connect_github(local, local.browser(github="alice"), needed.invitation.url)
    await local.store.write(lambda c: c.execute(update(consents).values(**altered)) and None)
    local.pass_time(seconds=6)
    await local.consents.poll_due()
    assert await local.rows(grants) == await local.rows(approvals) == []
    browser = local.browser()
    assert (await browser.open(needed.invitation.url)).status_code == 404


async def test_a_no_at_github_is_a_no(local: House) -> None:
    needed = await local.asked(GITHUB)
    browser = local.browser(github="alice")
    await browser.open(needed.invitation.url)
    await browser.press("approve")
    code, link = browser.page.provider_code, browser.link()
    await browser.open(link)
    await browser.press("Continue", user_code=code)
    await browser.press("cancel")
    local.pass_time(seconds=6)
    await local.consents.poll_due()
    assert (await local.refused(GITHUB)).code == "consent_denied"


async def test_linear_is_connected_with_the_narrow_scope(local: House) -> None:
    needed = await local.asked(LINEAR)
    await local.browser(linear="alice").approve(needed.invitation.url)
    consent = await local.obtain(LINEAR)
    assert consent.grant.permissions == {"read", "comments:create"}


async def test_another_account_than_the_linked_one_is_refused(local: House) -> None:
    """MUST 22: the provider's account id is compared before anything is stored."""
    await local.browser(slack="alice").approve((await local.asked(READ)).invitation.url)
    needed = await local.asked(POST)
    browser = local.browser(slack="bob")
    await browser.approve(needed.invitation.url)
    assert browser.state == "failed"
    assert "bob" in browser.text
    error = await local.refused(POST)
    assert error.code == "grant_broken"
    bobs = [entry for entry in local.sandbox.ledger if entry.subject == "bob" and entry.kind == "user"]
    assert bobs
    assert all(entry.revoked_at for entry in bobs)


async def test_an_account_is_its_id_and_not_its_name(local: House) -> None:
    """MUST 22: a name can change hands."""
    await local.browser(slack="alice").approve((await local.asked(READ)).invitation.url)
    (kept,) = await local.rows(grants)
    assert kept["account_name"] == "alice"
    assert re.fullmatch(r"T\w+/U\w+", kept["account_id"])


@pytest.mark.parametrize("shape", ["flat", "nested"])
async def test_both_shapes_of_slacks_answer_are_read(local: House, shape: str) -> None:
    local.sandbox.switches.slack_user_access_shape = shape
    await local.browser(slack="alice").approve((await local.asked(POST)).invitation.url)
    assert (await local.obtain(POST)).grant.permissions == {"chat:write"}


async def test_a_provider_that_is_down_leaves_the_question_open(local: House) -> None:
    needed = await local.asked(GITHUB)
    browser = local.browser(github="alice")
    await browser.open(needed.invitation.url)
    local.sandbox.faults.add("github", "status:503", path="/login/device/code", count=1)
    await browser.press("approve")
    assert browser.page.status == 503
    assert "Try again" in browser.text
    await browser.open(needed.invitation.url)
    assert browser.state == "confirm"
    await browser.press("approve")
    assert browser.state == "provider"
