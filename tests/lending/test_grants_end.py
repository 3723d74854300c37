"""Whoever stops using a grant ends it at its provider, and it is listed until that is certain."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import anyio.to_thread
import pytest
from sqlalchemy import select, update

from journeys.town import Town, error_of, town
from loaner.cli import _app
from loaner.grants import endings
from loaner.grants.token_endpoint import TokenSet
from loaner.sandbox.linear.oauth import OAuthError
from loaner.sandbox.slack.errors import SlackError
from loaner.secret import Secret
from loaner.store.tables import grants

GITHUB = ("github_get_me", {})
SLACK = ("slack_read_channel", {"channel": "#releases"})
LINEAR = ("linear_get_issue", {"id": "ENG-1"})
Call = tuple[str, dict[str, Any]]


@pytest.fixture
async def acme(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path / "home") as built:
        yield built


@pytest.fixture
def verb(acme: Town, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run a command line beside the town; answers its exit code and what it printed."""
    monkeypatch.setenv("LOANER_HOME", str(acme.home))

    async def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = await anyio.to_thread.run_sync(_app.run, list(arguments))
        return code, capsys.readouterr().out

    return run


async def connected(town: Town, call: Call) -> None:
    async with town.agent() as agent:
        answer = await town.call(agent, *call)
        assert not answer.is_error, answer
    await town.settled()


async def told(town: Town, call: Call) -> str | None:
    async with town.agent() as agent:
        answer = await agent.call_tool(*call)
    return str(error_of(answer)["code"]) if answer.is_error else None


async def expired(town: Town) -> None:
    past = update(grants).values(expires_at=town.loaner.now())
    await town.loaner.store.write(lambda c: c.execute(past) and None)


async def states(town: Town) -> list[str]:
    return list(await town.loaner.store.read(lambda c: c.execute(select(grants.c.state)).scalars().all()))


def alive(town: Town, provider: str) -> list[str]:
    ledger = town.running.sandbox.ledger
    return [entry.kind for entry in ledger if entry.provider == provider and ledger.is_alive(entry)]


async def test_a_grant_that_is_given_up_is_listed_by_every_verb_until_its_provider_ended_it(
    acme: Town, verb: Callable[..., Any]
) -> None:
    """The provider says that the token is dead; that is not so, and nobody throws the tokens away."""
    await connected(acme, GITHUB)
    acme.fault("github", "status:503", path="/applications/")
    (grant,) = await acme.loaner.grants.everybodys()
    await acme.loaner.lender.refresher.retire(grant, "GitHub says that its token is dead")
    assert alive(acme, "github") == ["user", "refresh"]
    _, shown = await verb("loans", "--json")
    (row,) = [json.loads(line) for line in shown.splitlines()]
    assert (row["kind"], row["resource"], row["reason"]) == (
        "grant",
        "account:alice",
        "GitHub says that its token is dead",
    )
    assert row["latest_expiry"]
    _, shown = await verb("status")
    assert "nobody has connected an account" not in shown
    assert "GitHub says that its token is dead" in shown
    code, shown = await verb("revoke", "--all-tokens", "--yes")
    assert code == 6
    assert "no grants to revoke" not in shown
    assert "! github grant: GitHub still accepts it" in shown
    acme.running.sandbox.faults.clear()
    acme.advance(minutes=1)
    (ended,) = await acme.loaner.stopper.finish()
    assert (ended.confirmed, alive(acme, "github")) == (True, [])
    _, shown = await verb("loans")
    assert shown.startswith("no open loans")


async def test_an_access_token_that_is_dead_says_nothing_of_its_refresh_token(acme: Town) -> None:
    await connected(acme, GITHUB)
    ledger = acme.running.sandbox.ledger
    for entry in ledger:
        if entry.provider == "github" and entry.kind == "user":
            ledger.revoke(entry, "evicted")
    (grant,) = await acme.loaner.grants.everybodys()
    ended = await acme.loaner.stopper.end_grant(grant.id)
    assert (ended.confirmed, alive(acme, "github")) == (True, [])


async def test_a_refresh_that_is_refused_is_no_proof_where_the_pair_before_it_was_lost(acme: Town) -> None:
    """The refused token was spent for a pair that nobody saw, and that pair lives."""
    await connected(acme, GITHUB)
    await expired(acme)
    acme.fault("github", "half_close", path="/login/oauth/access_token", count=1)
    assert await told(acme, GITHUB) == "provider_unavailable"
    (grant,) = await acme.loaner.grants.everybodys()
    ended = await acme.loaner.stopper.end_grant(grant.id)
    assert (ended.confirmed, alive(acme, "github")) == (False, ["user", "refresh"])
    assert len(await acme.loaner.store.read(endings.listed)) == 1


@pytest.mark.parametrize("call", [GITHUB, SLACK, LINEAR])
async def test_a_token_that_a_refresh_replaced_is_ended_with_the_grant(acme: Town, call: Call) -> None:
    """Whether the refresh ends it, not every provider says: here none does."""
    await connected(acme, call)
    ledger, provider = acme.running.sandbox.ledger, call[0].partition("_")[0]
    (first,) = [one for one in ledger if (one.provider, one.kind) == (provider, "user")]
    await expired(acme)
    assert await told(acme, call) is None
    first.revoked_at = None
    assert alive(acme, provider).count("user") == 2
    (grant,) = await acme.loaner.grants.everybodys()
    await acme.loaner.stopper.end_grant(grant.id)
    assert "user" not in alive(acme, provider)


@pytest.mark.parametrize("dead", [True, False], ids=["its refresh token is dead", "its refresh token may live"])
async def test_a_grant_is_listed_until_the_last_token_that_was_replaced_is_dead(acme: Town, dead: bool) -> None:
    await connected(acme, LINEAR)
    (grant,), kept = await acme.loaner.grants.everybodys(), acme.loaner.grants
    at = acme.loaner.now().replace(microsecond=0)
    short = TokenSet(Secret("new"), Secret("refresh"), 60.0, 60.0, grant.permissions)
    before = [(Secret("old"), at + timedelta(hours=1))]
    await acme.loaner.store.write(lambda c: kept.renew(c, grant, short, at, replaced=before))
    await acme.loaner.lender.refresher.retire(replace(grant, version=grant.version + 1), "refused", dead_refresh=dead)
    (listed,) = await acme.loaner.store.read(endings.listed)
    assert listed.ends_at == at + timedelta(hours=1)


async def test_a_grant_that_no_attempt_ended_is_over_once_nothing_of_it_can_live(acme: Town) -> None:
    await connected(acme, GITHUB)
    acme.fault("github", "status:503")
    (grant,) = await acme.loaner.grants.everybodys()
    await acme.loaner.stopper.end_grant(grant.id)
    (listed,) = await acme.loaner.store.read(endings.listed)
    assert listed.ends_at
    acme.advance(days=180)
    assert await states(acme) == ["revoking"]
    acme.advance(days=10)
    (aged,) = await acme.loaner.stopper.finish()
    assert (aged.how, aged.confirmed) == ("expired by itself", False)
    assert (await states(acme), alive(acme, "github")) == (["revoked"], [])


async def test_what_was_granted_and_not_connected_is_ended_refresh_token_included(acme: Town) -> None:
    acme.fault("linear", "wrong_scope", path="/oauth/token", count=1)
    async with acme.agent() as agent:
        asked = await agent.call_tool("linear_get_issue", {"id": "ENG-1"})
        assert (await acme.decide(asked)).state == "failed"
    assert (alive(acme, "linear"), await states(acme), await acme.open_loans()) == ([], ["revoked"], [])


async def test_what_was_granted_and_cannot_be_ended_yet_stays_listed_and_is_tried_again(acme: Town) -> None:
    acme.fault("linear", "wrong_scope", path="/oauth/token", count=1)
    acme.fault("linear", "status:503", path="/oauth/revoke")
    async with acme.agent() as agent:
        assert (await acme.decide(await agent.call_tool(*LINEAR))).state == "failed"
    (listed,) = await acme.loaner.store.read(endings.listed)
    assert (listed.reason, listed.ends_at) == ("what was granted was not connected", None)
    assert alive(acme, "linear") == ["user", "refresh"]
    acme.running.sandbox.faults.clear()
    acme.advance(minutes=1)
    await acme.loaner.stopper.finish()
    assert (alive(acme, "linear"), await acme.loaner.store.read(endings.listed)) == ([], [])


async def test_ending_an_old_grant_of_an_account_leaves_the_new_one_alone(acme: Town) -> None:
    """GitHub ends all of an account at once: while the new one is in use, the old one waits, and stays listed."""
    await connected(acme, GITHUB)
    acme.fault("github", "status:503", path="/applications/")
    (old,) = await acme.loaner.grants.everybodys()
    assert not (await acme.loaner.stopper.end_grant(old.id)).confirmed
    acme.running.sandbox.faults.clear()
    await connected(acme, GITHUB)
    acme.advance(minutes=1)
    (ended,) = await acme.loaner.stopper.finish()
    assert "waits for that one's end" in ended.how
    assert await told(acme, GITHUB) is None
    (new,) = await acme.loaner.grants.everybodys()
    assert (await acme.loaner.stopper.end_grant(new.id)).confirmed
    acme.advance(hours=1)
    await acme.loaner.stopper.finish()
    assert alive(acme, "github") == []


@pytest.mark.parametrize("word", ["account_inactive", "team_access_not_granted", "org_login_required", "token_expired"])
async def test_slacks_words_for_a_grant_that_is_over_ask_the_person(
    acme: Town, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """MUST 39."""

    def refused(*_: object) -> NoReturn:
        raise SlackError(word)

    await connected(acme, SLACK)
    await expired(acme)
    monkeypatch.setattr("loaner.sandbox.slack.tokens.Tokens.refresh", refused)
    assert [await told(acme, SLACK) for _ in range(2)] == ["grant_broken", "consent_required"]
    assert await states(acme) == ["disabled"], "and it is listed"


@pytest.mark.parametrize("word", ["internal_error", "ratelimited", "request_timeout"])
async def test_slacks_words_for_a_bad_moment_cost_no_grant(
    acme: Town, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    def refused(*_: object) -> NoReturn:
        raise SlackError(word)

    await connected(acme, SLACK)
    await expired(acme)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("loaner.sandbox.slack.tokens.Tokens.refresh", refused)
        assert [await told(acme, SLACK) for _ in range(4)] == ["provider_unavailable"] * 4
    assert await told(acme, SLACK) is None


def linear_says(monkeypatch: pytest.MonkeyPatch, word: str, status: int) -> None:
    def refused(*_: object, **__: object) -> NoReturn:
        raise OAuthError(word, "prose", status)

    monkeypatch.setattr("loaner.sandbox.linear.oauth.OAuth._refresh", refused)


@pytest.mark.parametrize("word", ["invalid_request", "invalid_scope", "made_up_in_2027"])
async def test_a_400_that_is_not_about_the_client_is_final(
    acme: Town, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """RFC 6749 §5.2: loaner's request does not vary, so neither will the answer."""
    await connected(acme, LINEAR)
    await expired(acme)
    with monkeypatch.context() as meanwhile:
        linear_says(meanwhile, word, 400)
        assert [await told(acme, LINEAR) for _ in range(2)] == ["grant_broken", "consent_required"]
    assert alive(acme, "linear") == ["user", "refresh"]
    assert len(await acme.loaner.store.read(endings.listed)) == 1


async def test_refusals_in_unknown_words_end_after_three(acme: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    await connected(acme, LINEAR)
    await expired(acme)
    linear_says(monkeypatch, "made_up_in_2027", 403)
    assert [await told(acme, LINEAR) for _ in range(2)] == ["provider_unavailable"] * 2
    acme.advance(minutes=11)
    assert [await told(acme, LINEAR) for _ in range(4)] == [
        "provider_unavailable",
        "provider_unavailable",
        "grant_broken",
        "consent_required",
    ]


async def test_a_refresh_whose_process_lives_is_not_taken_over(acme: Town) -> None:
    """It may hold the new pair, and wait for the store: the old refresh token would be spent twice."""
    await connected(acme, LINEAR)
    me = "elsewhere/pid:[1] 1 1"
    held = update(grants).values(lease_holder=me, lease_until=acme.loaner.now(), expires_at=acme.loaner.now())
    await acme.loaner.store.write(lambda c: c.execute(held) and None)
    acme.advance(minutes=2)
    with anyio.move_on_after(0.5) as waiting:
        await told(acme, LINEAR)
    assert waiting.cancelled_caught
    assert alive(acme, "linear") == ["user", "refresh"]
    acme.advance(minutes=15)
    assert await told(acme, LINEAR) is None
