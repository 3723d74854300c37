"""Around a refresh: calls under way keep their token, and a token refused once costs no grant."""

from __future__ import annotations

from typing import NoReturn

import anyio
import pytest
from sqlalchemy import select

from journeys.town import Town, error_of
from loaner.grants import pending_pairs
from loaner.sandbox.linear.oauth import OAuthError
from loaner.store.tables import grants

READ = ("slack_read_channel", {"channel": "#releases"})
HELD = ("linear_get_issue", {"id": "ENG-1"})


async def nearly_expired(town: Town, *, seconds: float) -> None:
    """Let time pass until the present access tokens have so long to live."""
    expiry = await town.loaner.store.read(lambda c: c.execute(select(grants.c.expires_at)).scalar_one())
    town.advance(seconds=(expiry - town.loaner.now()).total_seconds() - seconds)


async def connected(town: Town, call: tuple[str, dict[str, object]]) -> None:
    async with town.agent() as agent:
        answer = await town.call(agent, *call)
        assert not answer.is_error, answer
    await town.settled()


async def eight(town: Town, call: tuple[str, dict[str, object]]) -> list[bool]:
    failed: list[bool] = []

    async def one(number: int) -> None:
        async with town.agent(name=f"agent-{number}") as agent:
            failed.append(bool((await agent.call_tool(*call)).is_error))

    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(one, number)
    return failed


async def test_eight_calls_of_one_slack_grant_around_a_refresh_all_succeed(acme: Town) -> None:
    await connected(acme, READ)
    for left in (90, 10, -5):  # spared while used; in the last half minute; and expired
        await nearly_expired(acme, seconds=left)
        assert await eight(acme, READ) == [False] * 8
    users = acme.ledger(provider="slack", kind="user")
    assert len(users) == 4
    assert [entry["revoked_by"] for entry in users if any(use["status"] >= 400 for use in entry["uses"])] == []


async def test_eight_calls_of_one_linear_grant_around_a_refresh_all_succeed(acme: Town) -> None:
    """There a refresh ends the token before: none may happen under a call's hands."""
    await connected(acme, HELD)
    await nearly_expired(acme, seconds=90)
    assert await eight(acme, HELD) == [False] * 8
    assert len(acme.ledger(provider="linear", kind="user")) == 2


async def test_a_refresh_waits_for_a_call_that_uses_the_old_token(acme: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loaner.sandbox.faults.DRIP_SECONDS", 0.001)
    await connected(acme, HELD)
    acme.fault("linear", "slow_drip", path="/graphql", count=1)  # the answer takes a while
    refused: list[bool] = []

    async def slow() -> None:
        async with acme.agent(name="slow") as agent:
            refused.append(bool((await agent.call_tool(*HELD)).is_error))

    async with anyio.create_task_group() as tasks:
        await nearly_expired(acme, seconds=150)
        tasks.start_soon(slow)
        with anyio.fail_after(10):
            while not await acme.open_loans():  # noqa: ASYNC110
                await anyio.sleep(0.01)
        await nearly_expired(acme, seconds=90)
        async with acme.agent() as agent:
            assert not (await agent.call_tool(*HELD)).is_error
    assert refused == [False]


async def test_a_token_that_was_evicted_is_renewed_and_the_grant_lives_on(acme: Town) -> None:
    await connected(acme, READ)
    ledger = acme.running.sandbox.ledger
    for entry in ledger:
        if entry.provider == "slack" and entry.kind == "user":
            ledger.revoke(entry, "evicted")
    async with acme.agent() as agent:
        told = error_of(await agent.call_tool(*READ))
        assert (told["code"], told["do"]) == ("provider_unavailable", "Repeat the call now.")
        assert not (await agent.call_tool(*READ)).is_error


async def test_a_clock_set_back_costs_a_repeated_call_and_no_grant(acme: Town) -> None:
    """Ten minutes behind: a token is taken for alive that is not."""
    await connected(acme, HELD)
    await nearly_expired(acme, seconds=-1)
    later = "UPDATE grants SET expires_at = expires_at + 600000"
    await acme.loaner.store.write(lambda c: c.exec_driver_sql(later) and None)
    async with acme.agent() as agent:
        assert error_of(await agent.call_tool(*HELD))["code"] == "provider_unavailable"
        assert not (await agent.call_tool(*HELD)).is_error


async def test_a_grant_that_the_person_ended_is_asked_for_anew(acme: Town) -> None:
    """MUST 39."""
    await connected(acme, ("github_get_me", {}))
    ledger = acme.running.sandbox.ledger
    for entry in ledger:
        ledger.revoke(entry, "removed by the person")
    async with acme.agent() as agent:
        assert error_of(await agent.call_tool("github_get_me", {}))["code"] == "grant_broken"
        assert error_of(await agent.call_tool("github_get_me", {}))["code"] == "consent_required"


async def test_a_refresh_answered_to_nobody_is_listed(acme: Town) -> None:
    await connected(acme, HELD)
    await nearly_expired(acme, seconds=-1)
    acme.fault("linear", "half_close", path="/oauth/token", count=1)
    async with acme.agent() as agent:
        assert error_of(await agent.call_tool(*HELD))["code"] == "provider_unavailable"
        assert error_of(await agent.call_tool(*HELD))["code"] == "grant_broken"
        (lost,) = await acme.open_loans()
        assert (lost.style, lost.fingerprint, lost.latest_expiry) == ("pair", None, pending_pairs.NO_KNOWN_END)
        assert not (await acme.call(agent, *HELD)).is_error


@pytest.mark.parametrize("kind", ["after:502", "after:200"])
async def test_a_refresh_that_a_gateway_answered_is_listed(acme: Town, kind: str) -> None:
    """Linear has renewed it; its answer got lost on the way."""
    await connected(acme, HELD)
    await nearly_expired(acme, seconds=-1)
    acme.fault("linear", kind, path="/oauth/token", count=1)
    async with acme.agent() as agent:
        assert error_of(await agent.call_tool(*HELD))["code"] == "provider_unavailable"
        assert [(loan.style, loan.fingerprint) for loan in await acme.open_loans()] == [("pair", None)]
        assert error_of(await agent.call_tool(*HELD))["code"] == "grant_broken"
    assert [(loan.style, loan.fingerprint) for loan in await acme.open_loans()] == [("pair", None)]
    assert len([entry for entry in acme.ledger(provider="linear", kind="user") if not entry["revoked_at"]]) == 1


async def test_a_refresh_answered_with_neither_tokens_nor_an_error_is_listed_until_one_succeeds(acme: Town) -> None:
    await connected(acme, HELD)
    await nearly_expired(acme, seconds=-1)
    acme.fault("linear", "status:200", path="/oauth/token", count=1)
    async with acme.agent() as agent:
        assert error_of(await agent.call_tool(*HELD))["code"] == "provider_unavailable"
        assert [loan.style for loan in await acme.open_loans()] == ["pair"]
        assert not (await agent.call_tool(*HELD)).is_error
    await acme.settled()
    assert await acme.open_loans() == []


async def test_a_pair_that_slack_answered_to_nobody_stays_listed_after_the_next_refresh(acme: Town) -> None:
    """For a while a refresh token works again there, and what it brought the first time lives on."""
    acme.running.sandbox.switches.slack_refresh_grace_seconds = 600
    await connected(acme, READ)
    await nearly_expired(acme, seconds=-1)
    acme.fault("slack", "half_close", path="/oauth.v2.user.access", count=1)
    async with acme.agent() as agent:
        assert error_of(await agent.call_tool(*READ))["code"] == "provider_unavailable"
        assert not (await agent.call_tool(*READ)).is_error
    assert [(loan.style, loan.fingerprint) for loan in await acme.open_loans()] == [("pair", None)]


@pytest.mark.parametrize(("provider", "call"), [("linear", HELD), ("slack", READ)])
async def test_a_client_secret_that_was_rotated_costs_no_grant(
    acme: Town, monkeypatch: pytest.MonkeyPatch, provider: str, call: tuple[str, dict[str, object]]
) -> None:
    await connected(acme, call)
    await nearly_expired(acme, seconds=-1)
    async with acme.agent() as agent:
        with monkeypatch.context() as rotated:
            rotated.setattr(f"loaner.sandbox.{provider}.oauth.CLIENT_SECRET", "another since")
            for _ in range(2):
                told = error_of(await agent.call_tool(*call))
                assert (told["code"], told["retry"]) == ("settings_invalid", "never")
                assert f"connectors.{provider}.client_id or client_secret" in told["do"]
        assert await acme.loaner.store.read(lambda c: c.execute(select(grants.c.state)).scalars().all()) == ["active"]
        assert await acme.open_loans() == []
        assert not (await agent.call_tool(*call)).is_error, "with the right secret the same grant works on"


@pytest.mark.parametrize(("status", "word"), [(400, "unauthorized_client"), (401, "something new")])
async def test_no_error_about_the_client_ends_a_grant(
    acme: Town, monkeypatch: pytest.MonkeyPatch, status: int, word: str
) -> None:
    def refused(*_: object, **__: object) -> NoReturn:
        raise OAuthError(word, "prose", status)

    await connected(acme, HELD)
    await nearly_expired(acme, seconds=-1)
    async with acme.agent() as agent:
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr("loaner.sandbox.linear.oauth.OAuth._refresh", refused)
            assert error_of(await agent.call_tool(*HELD))["code"] == "settings_invalid"
        assert not (await agent.call_tool(*HELD)).is_error


async def test_a_grant_whose_connector_is_not_accepted_can_be_ended(
    acme: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    await connected(acme, HELD)
    await nearly_expired(acme, seconds=-1)
    monkeypatch.setattr("loaner.sandbox.linear.oauth.CLIENT_SECRET", "another since")
    grant_id = await acme.loaner.store.read(lambda c: c.execute(select(grants.c.id)).scalar_one())
    ended = await acme.loaner.stopper.end_grant(grant_id)
    assert ended.confirmed, ended.how
    assert [entry for entry in acme.ledger(provider="linear", kind="refresh") if not entry["revoked_at"]] == []
