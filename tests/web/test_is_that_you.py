"""The provider says whose account it is, and the person says whether that is them: nothing is connected before."""

from __future__ import annotations

from html import unescape
from typing import Any

import anyio
import pytest
from sqlalchemy import update

from house import POST, READ, Browser, House, caller, subject
from loaner.audit import Audit
from loaner.errors import ConsentNeeded
from loaner.grants import endings
from loaner.grants.grants import GrantUnreadable
from loaner.identity.caller import Caller
from loaner.sandbox.ledger import Entry
from loaner.store.tables import consents, grants

GITHUB = ("github_issue_read", {"owner": "acme", "repo": "web", "issue_number": 1})
BOTH = pytest.mark.parametrize(("title", "call"), [("GitHub", GITHUB), ("Slack", READ)], ids=["device", "code"])


async def named(house: House, call: Any, *, who: Caller | None = None, account: str = "alice") -> Browser:
    """Whoever is asked says yes, and whoever owns ``account`` does at the provider."""
    needed = await house.asked(call, who)
    browser = house.browser(github=account, slack=account)
    if who:
        await browser.sign_in(who.subject.sub.removeprefix("user-"))
    await browser.open(needed.invitation.url)
    await browser.press("approve")
    if browser.page.provider_code:
        await types_code(house, browser)
    else:
        await browser.press("allow")
    await browser.open(needed.invitation.url)
    return browser


async def types_code(house: House, browser: Browser) -> None:
    code = browser.page.provider_code
    await browser.open(browser.link())
    await browser.press("Continue", user_code=code)
    await browser.press("authorize")
    house.pass_time(seconds=6)


def alive(house: House) -> list[Entry]:
    """What the providers would still take."""
    ledger = house.sandbox.ledger
    return [entry for entry in ledger if entry.kind == "user" and ledger.is_alive(entry)]


async def kinds(house: House) -> list[str]:
    return [record.body["kind"] for record in await Audit(house.store, house.now).tail(50)]


@BOTH
async def test_nothing_is_connected_before_the_second_press(local: House, title: str, call: Any) -> None:
    """MUST 22: the account that was not expected is shown to whoever asked, and theirs to refuse."""
    browser = await named(local, call)
    assert browser.state == "account"
    assert f"{title} says you are alice" in browser.text
    assert "Is that you?" in browser.text
    assert not (await local.asked(call)).fresh, "the agent waits for the same question"
    assert "active" not in [row["state"] for row in await local.rows(grants)]
    assert await kinds(local) == []
    await browser.press("Yes, that is me")
    assert browser.state == "approved"
    assert (await local.obtain(call)).grant.account_name == "alice"
    assert (await kinds(local)).count("grant_linked") == 1


@BOTH
async def test_a_button_of_an_earlier_page_confirms_no_account(local: House, title: str, call: Any) -> None:
    """MUST 22: "continue" on a page that was left open is no answer to whose account it is."""
    browser = await named(local, call)
    earlier = {"form_token": browser.page.forms[0].fields["form_token"], "decision": "approve", "remember": "once"}
    headers = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
    browser.answer = await browser.http.post(str(browser.page.url), data=earlier, headers=headers)
    assert browser.state == "account"
    assert f"{title} says you are alice" in browser.text
    assert "active" not in [row["state"] for row in await local.rows(grants)]
    await browser.is_me()
    assert browser.state == "approved"


async def test_the_page_leads_nowhere_but_to_the_provider(local: House) -> None:
    """MUST 22: whatever address the provider, or the row, says that the code is typed at."""
    browser = local.browser(github="alice")
    await browser.open((await local.asked(GITHUB)).invitation.url)
    await browser.press("approve")
    (row,) = await local.rows(consents)
    assert browser.link().startswith(local.catalog.providers["github"].hosts["web"])
    flow = row["flow"] | {"verification_uri": "https://evil.example/login/device"}
    await local.store.write(lambda c: c.execute(update(consents).values(flow=flow)) and None)
    answer = await browser.open(str(browser.page.url))
    assert browser.page.provider_code
    assert "evil.example" not in answer.text


@BOTH
async def test_a_no_ends_the_tokens_at_the_provider(local: House, title: str, call: Any) -> None:
    """MUST 22."""
    browser = await named(local, call)
    assert alive(local)
    await browser.press("No, that is not me")
    assert browser.state == "failed"
    assert "this account is not yours" in browser.text
    assert alive(local) == []
    assert "not yours" in (await local.refused(call)).told()
    assert (await local.asked(call)).fresh, "it was no denial of what the agent asks for"


@BOTH
async def test_where_nobody_presses_the_tokens_end_with_the_question(local: House, title: str, call: Any) -> None:
    """MUST 22: by what is in the store alone, so that it happens in whatever process and after whatever crash."""
    browser = await named(local, call)
    before = await local.store.read(lambda c: endings.due(c, "development", local.now()))
    assert before == [], f"the person at {title} has until the question ends"
    local.pass_time(minutes=11)
    (due,) = await local.store.read(lambda c: endings.due(c, "development", local.now()))
    answer = await browser.press("Yes, that is me")
    assert browser.state == "expired", answer.text
    await local.end_unused(due)
    assert alive(local) == []
    assert "active" not in [row["state"] for row in await local.rows(grants)]


async def test_an_account_that_is_connected_is_not_asked_about_again(local: House) -> None:
    """For more permissions, or by another connector."""
    await local.browser(slack="alice").approve((await local.asked(READ)).invitation.url)
    assert (await named(local, POST)).state == "approved"


async def test_another_account_is_not_what_was_connected(local: House) -> None:
    """MUST 22: nor is one that was only ever set aside."""
    browser = await named(local, GITHUB, account="bob")
    await browser.press("No, that is not me")
    await local.refused(GITHUB)
    assert (await named(local, GITHUB, account="bob")).state == "account"


async def test_of_two_people_who_wait_for_one_account_one_gets_it(shared_house: House) -> None:
    """MUST 22: it is looked at again when the press comes."""
    alice, bob = caller(subject("alice")), caller(subject("bob"))
    first, second = await named(shared_house, GITHUB, who=alice), await named(shared_house, GITHUB, who=bob)
    await first.is_me()
    assert first.state == "approved"
    await second.is_me()
    assert second.state == "failed"
    assert "another person's here" in unescape(second.text)
    assert [row["state"] for row in await shared_house.rows(grants)] == ["active", "revoking"]
    assert len(alive(shared_house)) == 1, (
        "at GitHub the other key alone was ended; its grant is the same as the first's"
    )
    assert (await kinds(shared_house)).count("account_refused") == 2, "in both their records"


async def test_a_row_made_active_in_the_table_is_not_lent_on(local: House) -> None:
    """MUST 52: the press is what makes it a grant, and not its column."""
    await named(local, GITHUB)
    for altered in ({"state": "active"}, {"version": 1}):
        await local.store.write(lambda c, altered=altered: c.execute(update(grants).values(**altered)) and None)  # type: ignore[misc]
        assert isinstance(await local.refused(GITHUB), ConsentNeeded)
    (row,) = await local.rows(grants)
    with pytest.raises(GrantUnreadable):
        await local.consents.grants.tokens(row["id"])


async def test_what_was_stopped_meanwhile_is_not_connected(local: House) -> None:
    """MUST 37."""
    browser = await named(local, GITHUB)
    (row,) = await local.rows(grants)
    await local.store.write(lambda c: endings.block(c, row["id"], reason="stopped", at=local.now()))
    await browser.press("approve")
    assert browser.state == "failed"
    assert [row["state"] for row in await local.rows(grants)] == ["revoking"]


async def test_a_link_that_a_bot_opens_confirms_nothing(local: House) -> None:
    """MUST 23."""
    browser = await named(local, GITHUB)
    await browser.open(f"{browser.page.url}?decision=approve")
    assert [row["state"] for row in await local.rows(consents)] == ["account"]


async def test_a_call_that_waits_moves_the_device_flow_on_by_itself(local: House) -> None:
    needed = await local.asked(GITHUB)
    browser = local.browser(github="alice")
    await browser.open(needed.invitation.url)
    await browser.press("approve")
    await types_code(local, browser)

    async def press_when_asked() -> None:
        while [row["state"] for row in await local.rows(consents)] != ["account"]:  # noqa: ASYNC110 - it has no event
            await anyio.sleep(0.01)
        await browser.approve_account(needed.invitation.url)

    async with anyio.create_task_group() as group:
        group.start_soon(press_when_asked)
        assert await local.consents.wait_for_decision(needed.invitation.handle, 30) == "approved"
