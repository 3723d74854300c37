"""Grants that nobody uses do not stay."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from sqlalchemy import select

from journeys.town import Town, error_of
from loaner.grants import idle
from loaner.store.tables import grants

ME = ("github_get_me", {})


async def reasons(town: Town) -> list[tuple[str, str | None]]:
    rows = await town.loaner.store.read(lambda c: c.execute(select(grants.c.state, grants.c.reason)).all())
    return [(row.state, row.reason) for row in rows]


async def test_a_grant_not_used_for_ninety_days_is_lent_on_no_more(acme: Town) -> None:
    async with acme.agent() as agent:
        assert not (await acme.call(agent, *ME)).is_error
        acme.advance(days=89)
        assert await acme.loaner.idle.block() == 0
        acme.advance(days=2)
        assert await acme.loaner.idle.block() == 1
    assert await reasons(acme) == [("revoking", "not used for 90 days")]
    (ended,) = await acme.loaner.stopper.finish()
    assert ended.confirmed
    ledger = acme.running.sandbox.ledger
    assert [entry for entry in ledger if entry.provider == "github" and ledger.is_alive(entry)] == []
    async with acme.agent() as agent:
        assert error_of(await agent.call_tool(*ME))["code"] == "consent_required"


async def test_each_use_begins_the_days_anew(acme: Town) -> None:
    async with acme.agent() as agent:
        assert not (await acme.call(agent, *ME)).is_error
        acme.advance(days=80)
    async with acme.agent() as agent:
        assert not (await acme.call(agent, *ME)).is_error
    acme.advance(days=80)
    assert await acme.loaner.idle.block() == 0


async def test_a_look_that_fails_is_not_the_last_and_one_grant_keeps_no_other_from_being_blocked(
    acme: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with acme.agent() as agent:
        assert not (await acme.call(agent, *ME)).is_error
    acme.advance(days=91)

    async def fails(*_: Any) -> None:
        raise TypeError("of no kind that anybody thought of")

    async def look() -> int:
        if not failed.is_set():
            failed.set()
            raise ExceptionGroup("what one look met", [TypeError("of no kind that anybody thought of")])
        blocked.append(await block())
        again.set()
        return len(blocked)

    failed, again, blocked, block = anyio.Event(), anyio.Event(), list[int](), acme.loaner.idle.block
    monkeypatch.setattr(idle, "LOOK_EVERY", 0.001)
    monkeypatch.setattr(acme.loaner.idle, "block", look)
    monkeypatch.setattr(acme.loaner.idle.refresher, "fresh", fails)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(acme.loaner.idle.run)
        with anyio.fail_after(10):
            await again.wait()
        tasks.cancel_scope.cancel()
    assert blocked[0] == 1
    assert (await reasons(acme))[0][0] == "revoking"
