"""A grant that cannot be opened cannot be ended at its provider either: that is said, and what to do about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anyio.to_thread
import pytest
from sqlalchemy import select, update

from journeys.town import Town
from loaner.cli import _app
from loaner.identity.caller import Agent, Caller, Subject
from loaner.store import LocalKey, Sealed
from loaner.store.tables import grants

OPERATOR = Caller(Subject("local", "olga"), Agent("loaner revoke", "loaner"), "sandbox", "here", "olga")


@pytest.fixture
async def linked(acme: Town) -> Town:
    """A town where alice has connected GitHub."""
    async with acme.agent() as agent:
        assert not (await acme.call(agent, "github_get_me", {})).is_error
    await acme.settled()
    return acme


@pytest.fixture
def verb(linked: Town, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run a command line beside the town; answers its exit code and what it printed."""
    monkeypatch.setenv("LOANER_HOME", str(linked.home))

    async def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = await anyio.to_thread.run_sync(_app.run, list(arguments))
        return code, capsys.readouterr().out

    return run


def alive(town: Town) -> list[str]:
    ledger = town.running.sandbox.ledger
    return [entry.kind for entry in ledger if entry.provider == "github" and ledger.is_alive(entry)]


async def altered(town: Town) -> None:
    """Somebody changes a byte of the stored grant."""
    row = await town.loaner.store.read(lambda c: c.execute(select(grants.c.sealed)).scalar_one())
    bad = bytes([*row[:-1], row[-1] ^ 1])
    await town.loaner.store.write(lambda c: c.execute(update(grants).values(sealed=bad)) and None)


async def test_revoking_an_altered_grant_is_no_success_and_status_goes_on_showing_it(
    linked: Town, verb: Callable[..., Any]
) -> None:
    await altered(linked)
    code, shown = await verb("revoke", "--all-tokens", "--yes", "--json")
    assert code == 6
    told = [row for row in map(json.loads, shown.splitlines()) if row["what"] == "grant"]
    assert [(row["account"], row["confirmed"]) for row in told] == [("alice", False)]
    assert "was altered" in told[0]["how"]
    assert "end it in the account's settings at GitHub" in told[0]["how"]
    assert alive(linked), "nothing was ended"

    _, shown = await verb("status", "--json")
    (ending,) = json.loads(shown)["ending"]
    assert (ending["provider"], ending["account"], ending["last_error"]) == ("github", "alice", told[0]["how"])
    _, shown = await verb("status")
    assert "stopped, but not confirmed to have ended" in shown
    assert "end it in the account's settings at GitHub" in shown


async def test_a_grant_under_another_key_is_ended_once_its_key_is_back(
    linked: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linked.loaner.store, "sealed", Sealed(LocalKey(bytes(32))))
    (told,) = (await linked.loaner.stopper.stop("user", "user-alice", OPERATOR)).grants
    assert not told.confirmed
    assert "put the key back" in told.how
    monkeypatch.undo()
    linked.advance(minutes=1)
    (told,) = await linked.loaner.stopper.finish()
    assert told.confirmed
    assert alive(linked) == []


async def test_an_attempt_that_ends_as_the_one_before_is_not_recorded_again(linked: Town) -> None:
    await altered(linked)
    await linked.loaner.stopper.stop("user", "user-alice", OPERATOR)
    for _ in range(2):
        linked.advance(minutes=5)
        (told,) = await linked.loaner.stopper.finish()
        assert not told.confirmed
    (record,) = await linked.records(kind="grant_ended")
    assert (record["outcome"], record["returned_confirmed"]) == ("unknown", False)


async def test_a_grant_that_another_process_ended_meanwhile_stays_ended(
    linked: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    revoker = linked.loaner.stopper.revoker
    asked = revoker._at_provider  # the moment between two looks at the row

    async def overtaken(*args: Any, **named: Any) -> Any:
        gone = update(grants).values(state="revoked", sealed=None)
        await linked.loaner.store.write(lambda c: c.execute(gone) and None)
        return await asked(*args, **named)

    monkeypatch.setattr(revoker, "_at_provider", overtaken)
    linked.fault("github", "status:503", path="/api/applications/")
    assert (await linked.loaner.stopper.stop("user", "user-alice", OPERATOR)).grants == []
    assert await linked.loaner.store.read(lambda c: c.execute(select(grants.c.state)).scalar_one()) == "revoked"
