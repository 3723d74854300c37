"""The page "connect your accounts": begun by the person, for reads, before any agent asks."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from house import LOCAL, OURS, POST, READ, House, caller, subject
from loaner.blocks import blocks
from loaner.blocks.blocks import Block
from loaner.errors import ConsentNeeded
from loaner.store.tables import consents, grants

GITHUB = ("github_issue_read", {"owner": "acme", "repo": "web", "issue_number": 1})


async def test_an_account_connected_beforehand_lets_reads_through_and_no_write(local: House) -> None:
    browser = local.browser(slack="alice")
    page = (await browser.open("/connect")).text
    assert "channels:history" in page
    assert "chat:write" not in page
    await browser.press("Connect Slack")
    assert browser.state == "confirm"
    assert "compare the code" not in browser.text
    await browser.press("approve", reads="everything")
    await browser.press("allow")
    await browser.is_me()
    assert "Slack is connected" in browser.text
    held = (await local.rows(grants))[0]
    assert {"channels:history", "channels:read"} <= set(held["permissions"])
    assert not {one for one in held["permissions"] if "write" in one}, "what only reads ask for"
    minted = [entry for entry in local.sandbox.ledger if entry.provider == "slack" and entry.kind == "user"]
    assert sorted(minted[0].as_json()["permissions"]) == sorted(held["permissions"])
    assert (await local.obtain(READ)).approval_id
    asked = await local.asked(POST)
    assert isinstance(asked, ConsentNeeded)
    assert (await local.rows(consents))[-1]["wants_approval"]


async def test_the_tools_that_are_shown_say_what_is_asked_for(local: House) -> None:
    """Before any case a list of channels needs nothing; with its defaults, and a channel by its name, it does."""
    shown = replace(local.consents.connecting, catalog=local.catalog.selected())
    asked = {account.provider.name: set(account.permissions) for account in await shown.accounts(LOCAL)}
    assert asked == {"github": set(), "slack": {"channels:history", "channels:read"}, "linear": {"read"}}


async def test_github_is_connected_by_its_device_flow(local: House) -> None:
    browser = local.browser(github="alice")
    await browser.open("/connect")
    await browser.press("Connect GitHub")
    assert "Connect GitHub?" in browser.text
    await browser.press("approve", reads="everything")
    here, code, link = str(browser.page.url), browser.page.provider_code, browser.link()
    await browser.open(link)
    await browser.press("Continue", user_code=code)
    await browser.press("authorize")
    local.pass_time(seconds=6)
    await browser.open(here)
    await browser.is_me()
    assert "GitHub is connected" in browser.text
    assert (await local.obtain(GITHUB)).grant.account_name == "alice"
    await browser.open("/connect")
    assert "connected as alice" in browser.text
    assert "Connect GitHub" not in browser.text


async def test_an_account_that_was_connected_for_posting_is_shown_as_that(local: House) -> None:
    browser = local.browser(slack="alice")
    asked = await local.asked(POST)
    await browser.open(asked.invitation.url)
    await browser.press("approve")
    await browser.press("allow")
    await browser.is_me()
    await browser.open("/connect")
    assert "connected as alice for chat:write only" in " ".join(browser.text.split())
    assert re.search(r"it would ask for [a-z:, ]*channels:history", " ".join(browser.text.split()))
    assert "can read anything" not in browser.text
    await browser.press("Connect Slack for reading")
    await browser.press("approve", reads="everything")
    await browser.press("allow")
    await browser.is_me()
    await browser.open("/connect")
    assert "Connect Slack" not in browser.text


async def test_connecting_alone_lets_nothing_be_read(local: House) -> None:
    browser = local.browser(slack="alice")
    await browser.open("/connect")
    await browser.press("Connect Slack")
    await browser.press("approve")
    await browser.press("allow")
    await browser.is_me()
    assert "Slack is connected" in browser.text
    asked = await local.asked(READ)
    await browser.open(asked.invitation.url)
    assert "What may Claude Code read at Slack?" in browser.text
    await browser.open("/connect")
    assert "No program may read there without asking" in browser.text


async def test_a_no_connects_nothing_and_bars_no_agent(local: House) -> None:
    browser = local.browser(slack="alice")
    await browser.open("/connect")
    await browser.press("Connect Slack")
    await browser.press("deny")
    assert "Slack is not connected" in browser.text
    assert await local.rows(grants) == []
    await local.asked(READ)  # the agent's own question is still put
    await browser.open("/")
    assert "not asked again" not in browser.text


async def test_pressing_twice_is_one_question(local: House) -> None:
    browser = local.browser()
    for _ in range(2):
        await browser.open("/connect")
        await browser.press("Connect Linear")
    assert [row["connector"] for row in await local.rows(consents)] == ["linear-dev"]


@pytest.mark.parametrize("name", ["nothing", "github", "slack-dev%2F..", "x" * 300])
async def test_what_is_no_connector_puts_no_question(local: House, name: str) -> None:
    browser = local.browser()
    await browser.open("/connect")
    token = browser.page.forms[0].fields["form_token"]
    await browser.http.post(f"/connect/{name}", data={"form_token": token}, headers={"Origin": OURS})
    assert await local.rows(consents) == []


async def test_another_site_cannot_begin_it(local: House) -> None:
    """MUST 25: neither without the form's token nor from elsewhere."""
    browser = local.browser()
    await browser.open("/connect")
    token = browser.page.forms[0].fields["form_token"]
    for sent, origin in (
        ({"other": "field"}, OURS),
        ({"form_token": "guessed"}, OURS),
        ({"form_token": token}, "https://evil.example"),
    ):
        answer = await browser.http.post("/connect/slack-dev", data=sent, headers={"Origin": origin})
        assert answer.status_code == 403
    assert await local.rows(consents) == []


async def test_behind_a_block_nothing_can_be_connected(local: House) -> None:
    await local.store.write(lambda c: blocks.put_block(c, Block("user", LOCAL.key, LOCAL.key, local.now())))
    browser = local.browser()
    await browser.open("/connect")
    await browser.press("Connect Slack")
    assert "stopped" in browser.text
    assert await local.rows(consents) == []


async def test_one_person_s_accounts_are_not_another_s(shared_house: House) -> None:
    alice, bob = (shared_house.browser(slack=name) for name in ("alice", "bob"))
    await alice.sign_in("alice")
    await bob.sign_in("bob")
    await alice.open("/connect")
    await alice.press("Connect Slack")
    asked = str(alice.page.url)
    assert (await bob.open(asked)).status_code == 404
    await alice.press("approve", reads="everything")
    await alice.press("allow")
    await alice.is_me()
    assert (await shared_house.obtain(READ, caller(subject("alice")))).grant.account_name == "alice"
    await bob.open("/connect")
    assert "connected as" not in bob.text
