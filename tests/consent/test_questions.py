"""Which question a call puts, which it meets again, how many wait, and how waiting ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import anyio
import pytest
from sqlalchemy import select

from house import CONNECTORS, LOCAL, POST, READ, House, caller, subject
from loaner.consent import requests
from loaner.consent.polling import Polling
from loaner.errors import ConsentNeeded, PolicyDenied
from loaner.policy import Refused
from loaner.store.tables import consents as table


def message(text: str) -> tuple[str, dict[str, str]]:
    return POST[0], POST[1] | {"text": text}


async def test_the_first_answer_tells_what_the_person_has_to_do(local: House) -> None:
    """MUST 18."""
    needed = await local.asked(POST)
    assert needed.fresh
    assert needed.code == "consent_required"
    assert "chat:write on #releases" in needed.told()
    assert needed.invitation.url in needed.told()
    assert needed.invitation.user_code in needed.told()
    assert needed.invitation.sentence == "post one message in #releases"
    assert 590 < needed.invitation.expires_in <= 600


async def test_repeating_a_call_meets_the_same_question(local: House) -> None:
    """However often, and at the same moment."""
    first = (await local.asked(POST)).invitation
    seen: list[ConsentNeeded] = []

    async def again() -> None:
        seen.append(await local.asked(POST))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(again)
    assert {(one.invitation.handle, one.invitation.user_code, one.fresh) for one in seen} == {
        (first.handle, first.user_code, False)
    }
    assert all(one.facts()["code"] == "consent_pending" for one in seen)


async def test_simultaneous_first_calls_put_one_question(local: House) -> None:
    fresh: list[bool] = []

    async def ask() -> None:
        fresh.append((await local.asked(POST)).fresh)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(ask)
    assert sum(fresh) == 1
    assert len(await local.rows(table)) == 1


@pytest.mark.parametrize(
    "another",
    [("slack_list_members", READ[1]), (READ[0], READ[1] | {"channel": "C0000000002"})],
    ids=["kind", "place"],
)
async def test_reads_of_one_kind_in_one_place_share_a_question(local: House, another: tuple[str, Any]) -> None:
    one = await local.asked(READ)
    other = await local.asked(("slack_read_thread", READ[1] | {"ts": "1732272000.000100"}))
    assert one.invitation.handle == other.invitation.handle
    assert (await local.asked(another)).invitation.handle != one.invitation.handle


@pytest.mark.parametrize(
    "other",
    [caller(subject("alice")), caller(agent="another"), caller(environment="production")],
    ids=["person", "agent", "environment"],
)
async def test_another_caller_has_a_question_of_their_own(local: House, other: object) -> None:
    mine = await local.asked(POST)
    theirs = await local.asked(POST, other)  # type: ignore[arg-type]
    assert theirs.fresh
    assert theirs.invitation.handle != mine.invitation.handle
    assert theirs.invitation.user_code != mine.invitation.user_code


async def test_at_most_three_questions_wait_for_a_person(local: House) -> None:
    """MUST 29: a flood of calls, by any number of agents of theirs."""
    for turn in range(3):
        await local.asked(message(f"number {turn}"), caller(agent=f"agent-{turn}"))
    for turn in range(20):
        error = await local.refused(message(f"more {turn}"))
        assert error.code == "rate_limited"
        assert "3 questions already wait" in error.cause
    assert not (await local.asked(message("number 0"), caller(agent="agent-0"))).fresh
    assert (await local.asked(POST, caller(subject("bob")))).fresh
    local.pass_time(minutes=11)
    assert (await local.asked(message("later"))).fresh


async def test_what_is_refused_by_policy_asks_nobody(local: House) -> None:
    bound = local.catalog[POST[0]].bind(POST[1])
    with pytest.raises(PolicyDenied, match="read-only"):
        await local.consents.obtain(caller(), bound, bound.scope, Refused("read-only", "no"), CONNECTORS[1])
    assert await local.rows(table) == []


async def test_waiting_ends_with_the_answer(local: House) -> None:
    needed = await local.asked(POST)
    states: list[str | None] = []

    async def wait() -> None:
        states.append(await local.consents.wait_for_decision(needed.invitation.handle, 30))

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        asked = await local.consents.question(needed.invitation.handle, LOCAL)
        assert asked
        await local.consents.deny(asked, proven_by="local-browser")
    assert states == ["denied"]


async def test_waiting_ends_with_its_time(local: House) -> None:
    """MUST 18."""
    needed = await local.asked(POST)
    assert await local.consents.wait_for_decision(needed.invitation.handle, 0.01) == "pending"
    assert await local.consents.wait_for_decision("unknown", 0.01) is None
    local.pass_time(minutes=11)
    assert await local.consents.wait_for_decision(needed.invitation.handle, 5) == "expired"


async def test_another_process_may_answer(local: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bell is not ours: the store is looked at as well."""
    monkeypatch.setattr("loaner.consent.bell.LOOK_AGAIN", 0.01)
    needed = await local.asked(POST)
    handle, at = needed.invitation.handle, local.now()

    heard: list[str | None] = []

    async def wait() -> None:
        heard.append(await local.consents.wait_for_decision(handle, 30))

    with anyio.fail_after(20):  # well before it would give up by itself
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.lowlevel.checkpoint()
            await local.store.write(lambda c: requests.move(c, handle, to="denied", at=at))
    assert heard == ["denied"]


async def test_sweeping_closes_and_later_forgets(local: House) -> None:
    await local.asked(POST)
    assert await local.consents.sweep() == 0
    local.pass_time(minutes=11)
    assert await local.consents.sweep() == 1
    assert [row["state"] for row in await local.rows(table)] == ["expired"]
    assert (await local.refused(POST)).code == "consent_expired"
    local.pass_time(days=2)
    await local.consents.sweep()
    assert await local.rows(table) == []


async def test_status_is_the_callers_own(local: House) -> None:
    await local.asked(POST)
    await local.asked(POST, caller(agent="another"))
    mine = await local.consents.status(caller())
    assert [one.tool for one in mine.pending] == ["slack_send_message"]
    assert (mine.connected, mine.approved) == ([], [])
    everything = await local.consents.standing(LOCAL)
    assert len(everything.pending) == 2


async def test_an_answered_question_keeps_no_secret_of_its_flow(local: House) -> None:
    needed = await local.asked(("github_get_repository", {"owner": "acme", "repo": "web"}))
    browser = local.browser(github="alice")
    await browser.open(needed.invitation.url)
    await browser.press("approve")
    assert [row["sealed"] is not None for row in await local.rows(table)] == [True]
    await local.consents._resolver.fail(needed.invitation.handle, "test")
    assert [row["sealed"] for row in await local.rows(table)] == [None]


async def test_of_many_pollers_in_several_processes_one_asks_the_provider(local: House) -> None:
    """MUST 20: and the provider's interval is kept between askings."""
    needed = await local.asked(("github_get_repository", {"owner": "acme", "repo": "web"}))
    browser = local.browser(github="alice")
    await browser.open(needed.invitation.url)
    await browser.press("approve")
    others = [local.consents_of_another_process() for _ in range(4)]
    asked: list[str] = []
    exchange = local.transport.exchange

    async def counted(method: str, url: str, **more: object) -> object:
        asked.append(url)
        return await exchange(method, url, **more)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(local.transport, "exchange", counted)
        for turn in range(3):
            local.pass_time(seconds=5.5)
            async with anyio.create_task_group() as group:
                for other in others * 16:
                    group.start_soon(other.poll_due)
            assert len(asked) == turn + 1
    state = await local.store.read(lambda c: c.execute(select(table.c.state)).scalar_one())
    assert state == "linking"


async def test_a_poller_that_died_is_replaced(local: House) -> None:
    needed = await local.asked(("github_get_repository", {"owner": "acme", "repo": "web"}))
    browser = local.browser(github="alice")
    await browser.open(needed.invitation.url)
    await browser.press("approve")
    local.pass_time(seconds=6)
    handle, at = needed.invitation.handle, local.now()
    lease = timedelta(seconds=60)
    assert await local.store.write(lambda c: requests.lease_poll(c, handle, at=at, until=at + lease))
    assert not await local.store.write(lambda c: requests.lease_poll(c, handle, at=at, until=at + lease))
    later = at + lease * 2
    assert await local.store.write(lambda c: requests.lease_poll(c, handle, at=later, until=later + lease))


@pytest.mark.parametrize("differs", ["environment", "connectors"])
async def test_a_server_leaves_alone_what_it_cannot_finish(local: House, differs: str) -> None:
    """Over one store it would fail the question of a server of another environment, or with other connectors."""
    needed = await local.asked(("github_get_repository", {"owner": "acme", "repo": "web"}))
    browser = local.browser(github="alice")
    await browser.open(needed.invitation.url)
    await browser.press("approve")
    local.pass_time(seconds=6)
    elsewhere = local.consents_of_another_process()
    theirs: dict[str, Any] = {"environment": {"environment": "production"}, "connectors": {"connectors": ()}}
    elsewhere._polling = replace(elsewhere._polling, **theirs[differs])
    before = await local.rows(table)
    await elsewhere.poll_due()
    assert await local.rows(table) == before, "neither asked for nor given up"
    await local.consents.poll_due()
    assert await local.rows(table) != before


async def test_one_question_that_goes_wrong_ends_no_server(local: House, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    async def broken(_: Polling) -> None:
        nonlocal looks
        looks += 1
        raise KeyError("a provider that only another server knows")

    monkeypatch.setattr(Polling, "poll_due", broken)
    monkeypatch.setattr("loaner.consent.polling.LOOK_AGAIN", 0.001)
    async with anyio.create_task_group() as group:
        await group.start(local.consents.run)
        with anyio.fail_after(60):  # each is logged with its traceback, which takes a while here
            while looks < 3:
                await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()


@pytest.mark.parametrize("call", [POST, READ])
async def test_an_answer_that_comes_while_a_call_looks_for_it_is_no_new_question(
    local: House, monkeypatch: pytest.MonkeyPatch, call: tuple[str, dict[str, Any]]
) -> None:
    """The call is told to repeat itself, and goes through then."""
    asked = (await local.asked(call)).invitation
    looked = local.consents.covering

    async def answered_meanwhile(*about: Any) -> Any:
        found = await looked(*about)
        monkeypatch.undo()
        local.pass_time(seconds=1)
        await local.browser(slack="alice").approve(asked.url)
        local.pass_time(seconds=1)
        return found

    monkeypatch.setattr(local.consents, "covering", answered_meanwhile)
    meanwhile = await local.refused(call)
    assert isinstance(meanwhile, ConsentNeeded)
    assert (meanwhile.invitation.handle, meanwhile.fresh) == (asked.handle, False)
    assert (await local.obtain(call)).grant.provider == "slack"
    assert len(await local.rows(table)) == 1
