"""Where the issuer says which account at a provider is somebody's, they connect that one and no other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from house import ISSUER, READ, House, caller, house, subject
from loaner.store.tables import consents, grants

GITHUB = ("github_issue_read", {"owner": "acme", "repo": "web", "issue_number": 1})
CLAIMS = {"account_claims": {"github": "github_login", "slack": "slack_user"}}


@pytest.fixture
async def claimed(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path, signs_in=True, identity=CLAIMS) as place:
        yield place


async def answered(place: House, says: dict[str, Any], call: Any = GITHUB, account: str = "alice") -> str:
    """How a connection ends for Alice, whose issuer says that."""
    needed = await place.asked(call, caller(subject("alice")))
    browser = place.browser(github=account, slack=account)
    await browser.http.post(f"{ISSUER}/sandbox/id-token", json={"claims": says})
    await browser.sign_in("alice")
    await browser.open(needed.invitation.url)
    await browser.press("approve")
    if code := browser.page.provider_code:
        await browser.open(browser.link())
        await browser.press("Continue", user_code=code)
        await browser.press("authorize")
        place.pass_time(seconds=6)
        await browser.open(needed.invitation.url)
    elif "/slack/oauth" in browser.page.url:
        await browser.press("allow")
    await browser.is_me()
    return f"{browser.state} {browser.text}"


@pytest.mark.parametrize("login", ["alice", "Alice"])
async def test_the_account_that_is_claimed_is_connected(claimed: House, login: str) -> None:
    assert (await answered(claimed, {"github_login": login})).startswith("approved")


async def test_another_account_is_refused_and_its_tokens_end(claimed: House) -> None:
    """MUST 22: the account expected is known beforehand."""
    said = await answered(claimed, {"github_login": "alice"}, account="bob")
    assert said.startswith("failed")
    assert "and your sign-in here that your account there is alice" in said
    ledger = claimed.sandbox.ledger
    assert [entry for entry in ledger if entry.kind == "user" and ledger.is_alive(entry)] == []
    assert [row["state"] for row in await claimed.rows(grants)] == ["revoked"]


@pytest.mark.parametrize("claim", [None, "", " ", 101, ["alice"], {"login": "alice"}, "al\u200bice"], ids=str)
async def test_without_the_claim_nobody_is_sent_to_the_provider(claimed: House, claim: Any) -> None:
    """A claim that is missing, or is no name, is no permission."""
    said = await answered(claimed, {"github_login": claim})
    assert "it has no claim" in said
    assert "identity.account_claims.github" in said
    assert [row["state"] for row in await claimed.rows(consents)] == ["pending"]


@pytest.mark.parametrize(("by", "state"), [("id", "approved"), ("name", "failed")])
async def test_where_names_change_hands_the_id_is_compared(claimed: House, by: str, state: str) -> None:
    """MUST 22: at Slack anybody may take a name that is free."""
    first = await answered(claimed, {"slack_user": "nobody/U0"}, call=READ)
    assert first.startswith("failed")
    await claimed.refused(READ, caller(subject("alice")))
    account = (await claimed.rows(grants))[0]["account_id"]
    said = await answered(claimed, {"slack_user": account if by == "id" else "alice"}, call=READ)
    assert said.startswith(state)


async def test_a_number_of_one_is_not_the_login_of_another(claimed: House) -> None:
    """A GitHub login may be all digits."""
    said = await answered(claimed, {"github_login": "101"})
    assert said.startswith("failed")
