"""What goes wrong while a grant is ended stays with that grant: it is said, tried again, and takes nothing along."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from sqlalchemy import Connection, select, update

from journeys.town import Town
from loaner import stopping
from loaner.audit import event
from loaner.blocks import calls_in_flight
from loaner.blocks.blocks import Party
from loaner.blocks.calls_in_flight import CallsInFlight
from loaner.errors import StoreUnusable
from loaner.grants import unsaved
from loaner.grants.grants import Grant
from loaner.grants.unsaved import UnsavedTokens
from loaner.identity.caller import Agent, Caller, Subject
from loaner.store.tables import grants

OPERATOR = Caller(Subject("local", "olga"), Agent("loaner revoke", "loaner"), "sandbox", "here", "olga")


def alive(town: Town) -> set[str]:
    ledger = town.running.sandbox.ledger
    return {entry.provider for entry in ledger if entry.provider != "idp" and ledger.is_alive(entry)}


async def states(town: Town) -> set[str]:
    return set(await town.loaner.store.read(lambda c: c.execute(select(grants.c.state)).scalars().all()))


def broken(town: Town, monkeypatch: pytest.MonkeyPatch, failure: Exception, provider: str = "") -> list[str]:
    """From now on, how a grant ended cannot be written down; which were tried."""
    stopper, tried = town.loaner.stopper, list[str]()
    note = stopper.note

    def refuse(connection: Connection, kind: str, **said: Any) -> object:
        if kind == "grant_ended" and provider in said["provider"]:
            tried.append(said["provider"])
            raise failure
        return note(connection, kind, **said)

    monkeypatch.setattr(stopper, "note", refuse)
    return tried


@pytest.mark.parametrize("failure", [StoreUnusable("it is full."), KeyError("of no kind that anybody thought of")])
async def test_an_end_that_cannot_be_written_is_said_and_keeps_no_other_from_being_ended(
    linked: Town, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    monkeypatch.setattr(stopping, "_AT_ONCE", 1)
    broken(linked, monkeypatch, failure, "github")
    stopped = await linked.loaner.stopper.stop("user", "user-alice", OPERATOR)
    assert [(one.grant.provider, one.confirmed) for one in stopped.grants] == [("github", False), ("linear", True)]
    assert "tries again" in stopped.grants[0].how
    monkeypatch.undo()
    linked.advance(minutes=1)
    assert [one.confirmed for one in await linked.loaner.stopper.finish()] == [True]
    assert await states(linked) == {"revoked"}


async def test_what_cannot_be_written_in_the_background_leaves_the_server_serving(
    linked: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "FINISH_EVERY", 0.01)
    block = update(grants).values(state="revoking")
    await linked.loaner.store.write(lambda c: c.execute(block) and None)
    tried = broken(linked, monkeypatch, StoreUnusable("it is full."))
    async with anyio.create_task_group() as tasks:
        await tasks.start(linked.loaner.stopper.run)
        with anyio.fail_after(10):
            while len(tried) < 4:  # noqa: ASYNC110 - twice each
                await anyio.sleep(0.01)
            monkeypatch.setattr(linked.loaner.stopper, "note", event.note)
            while await states(linked) != {"revoked"}:  # noqa: ASYNC110 - a row
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert alive(linked) == set()


async def test_a_look_for_blocks_that_fails_is_not_the_last(linked: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    watched, looked = CallsInFlight(linked.loaner.store), anyio.Event()

    def fails(_: object) -> int:
        if looks.pop():
            raise KeyError("of no kind that anybody thought of")
        looked.set()
        return 0

    looks = [False, False, True]
    monkeypatch.setattr(calls_in_flight, "LOOK_EVERY", 0.001)
    monkeypatch.setattr(watched, "stop", fails)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watched.watch, linked.loaner.consents.tasks.over)
        with watched.call(Party("", "", "", ""), changes=False), anyio.fail_after(10):
            await looked.wait()
        tasks.cancel_scope.cancel()


async def test_a_renewed_pair_that_cannot_be_written_keeps_no_other_from_it(
    linked: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs, written = UnsavedTokens(linked.loaner.store), anyio.Event()

    async def settle(grant_id: str) -> None:
        if grant_id == "damaged":
            raise KeyError("of no kind that anybody thought of")
        written.set()

    def full(_: Connection) -> Grant:
        raise StoreUnusable("it is full.")

    monkeypatch.setattr(unsaved, "TRY_EVERY", 0.001)
    monkeypatch.setattr(pairs, "settle", settle)
    for grant_id in ("damaged", "whole"):
        with pytest.raises(StoreUnusable):
            await pairs.write(grant_id, full)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pairs.run)
        with anyio.fail_after(10):
            await written.wait()
        tasks.cancel_scope.cancel()
