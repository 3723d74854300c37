"""What goes wrong outside of loaner: the agent is told what to do, nothing is lost, nothing is left alive."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from sqlalchemy import Connection, select, update
from sqlalchemy.exc import OperationalError

from journeys.town import Town, error_of
from loaner.provider_call import Answer
from loaner.store.tables import grants, loans
from no_files import no_more_files

READ = ("github_issue_read", {"owner": "acme", "repo": "web", "issue_number": 1})
HELD = ("linear_get_issue", {"id": "ENG-1"})
ME = ("github_get_me", {})


@pytest.fixture
async def linked(acme: Town) -> Town:
    async with acme.agent() as agent:
        await acme.call(agent, *ME)
    await acme.settled()
    return acme


def alive(town: Town) -> list[str]:
    ledger = town.running.sandbox.ledger
    return [entry.fingerprint for entry in ledger if entry.kind == "scoped" and ledger.is_alive(entry)]


async def told(town: Town, call: tuple[str, dict[str, Any]] = READ) -> str | None:
    """The code that the agent gets; ``None`` for a success."""
    async with town.agent() as agent:
        answer = await agent.call_tool(*call)
    return str(error_of(answer)["code"]) if answer.is_error else None


@pytest.mark.parametrize(
    ("kind", "path", "code"),
    [
        ("status:429", "/token/scoped", "rate_limited"),
        ("rate_limit", "/token/scoped", "rate_limited"),
        ("status:500", "/token/scoped", "provider_unavailable"),
        ("half_close", "/token/scoped", "provider_unavailable"),
        ("status:429", "/api/repos/", "rate_limited"),
        ("status:503", "/api/repos/", "provider_unavailable"),
        ("half_close", "/api/repos/", "provider_unavailable"),
    ],
)
async def test_a_provider_that_fails_is_told_as_that_and_the_next_call_works(
    linked: Town, kind: str, path: str, code: str
) -> None:
    linked.fault("github", kind, path=path)
    assert await told(linked) == code
    linked.running.sandbox.faults.clear()
    linked.advance(seconds=120)
    assert await told(linked) is None
    await linked.settled()
    listed = [loan.fingerprint for loan in await linked.open_loans()]
    assert len([key for key in alive(linked) if key not in listed]) <= listed.count(None)


@pytest.mark.parametrize("kind", ["hang", "slow_drip"])
async def test_a_provider_that_never_ends_its_answer_is_given_up(
    linked: Town, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = linked.loaner.transport.exchange

    async def impatient(*args: Any, **named: Any) -> Any:
        return await exchange(*args, **{**named, "timeout": 0.5})

    monkeypatch.setattr(linked.loaner.transport, "exchange", impatient)
    linked.fault("github", kind, path="/api/repos/")
    assert await told(linked) == "provider_unavailable"
    linked.running.sandbox.faults.clear()
    await linked.settled()
    assert (alive(linked), await linked.open_loans()) == ([], [])


@pytest.mark.parametrize(("closed", "minted"), [("/token/scoped", 0), ("/issues/", 1)], ids=["the mint", "the call"])
async def test_without_a_file_for_a_connection_the_call_is_told_and_no_key_is_lost(
    linked: Town, monkeypatch: pytest.MonkeyPatch, closed: str, minted: int
) -> None:
    """Connections that are kept need none, so it may begin in the middle of a call. Then the key cannot go back either:
    it is listed, and given back once there are files again."""
    transport, exchange = linked.loaner.transport, linked.loaner.transport.exchange
    before = len(linked.ledger(kind="scoped"))
    async with linked.agent() as agent, AsyncExitStack() as without:
        assert not (await agent.call_tool(*ME)).is_error  # its own connection is there
        await linked.settled()

        async def starved(method: str, url: str, **named: Any) -> Answer:
            if closed in url and not without_files:
                await transport.wire.aclose()
                without_files.append(without.enter_context(no_more_files()))
            return await exchange(method, url, **named)

        without_files: list[None] = []
        monkeypatch.setattr(transport, "exchange", starved)
        assert error_of(await agent.call_tool(*READ))["code"] == "provider_unavailable"
        assert without_files
        listed = await linked.open_loans()
        assert [loan.fingerprint for loan in listed] == alive(linked)
        assert len(listed) == minted
        assert (await agent.call_tool("loaner_status", {})).structured_content, "what needs no file is served"
    linked.advance(seconds=10)
    await linked.loaner.revocations.sweep()
    assert (alive(linked), await linked.open_loans()) == ([], [])
    assert await told(linked) is None
    assert len(linked.ledger(kind="scoped")) == before + 1 + minted + 1


async def test_a_scope_that_was_not_asked_for_is_given_back_unused(acme: Town) -> None:
    acme.fault("linear", "wrong_scope", path="/oauth/token", count=1)
    async with acme.agent() as agent:
        asked = await agent.call_tool("linear_get_issue", {"id": "ENG-1"})
        assert (await acme.decide(asked)).state == "failed"
        assert error_of(await agent.call_tool(*HELD))["code"] == "grant_broken"
    called = [use for entry in acme.ledger(provider="linear", kind="user") for use in entry["uses"]]
    assert {use["operation"] for use in called} == {
        "query viewer"
    }  # whose account it is, and whether it is dead by now


def broken(words: str) -> Callable[[Connection], None]:
    def work(connection: Connection) -> None:
        raise OperationalError("statement", {}, Exception(words))

    return work


@pytest.mark.parametrize(
    "words", ["database or disk is full", "attempt to write a readonly database", "database disk image is malformed"]
)
async def test_without_a_store_no_key_is_minted_and_it_goes_on_when_the_store_is_back(
    linked: Town, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MUST 34."""
    minted = len(linked.ledger(kind="scoped"))
    store, write = linked.loaner.store, linked.loaner.store.write
    monkeypatch.setattr(store, "write", lambda _: write(broken(words)))
    assert await told(linked) == "store_unusable"
    assert len(linked.ledger(kind="scoped")) == minted
    monkeypatch.undo()
    assert await told(linked) is None
    assert await linked.open_loans() == []


async def test_a_store_that_breaks_once_the_key_is_minted_leaves_no_key_alive(
    linked: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills up between two writes: the key is in memory only, and is given back from there."""
    store, write = linked.loaner.store, linked.loaner.store.write
    minted = len(linked.ledger(kind="scoped"))

    async def full(work: Any) -> Any:
        return await write(broken("database or disk is full") if len(linked.ledger(kind="scoped")) > minted else work)

    monkeypatch.setattr(store, "write", full)
    assert await told(linked) == "store_unusable"
    await linked.loaner.revocations.settled()
    assert alive(linked) == []
    monkeypatch.undo()
    assert len(await linked.open_loans()) == 1
    linked.advance(minutes=3)
    await linked.loaner.revocations.sweep()
    assert await linked.open_loans() == []
    assert (await linked.records(tool=READ[0]))[-1]["returned_confirmed"] is True


async def test_a_key_that_was_never_written_down_and_cannot_be_given_back_is_written_down_then(
    linked: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full for one write, and the provider is down: there was one copy of the key, in memory."""
    store, write = linked.loaner.store, linked.loaner.store.write
    minted = len(linked.ledger(kind="scoped"))

    async def full(work: Any) -> Any:
        if len(linked.ledger(kind="scoped")) == minted:
            return await write(work)
        linked.fault("github", "status:503", path="/api/applications/")
        monkeypatch.undo()
        return await write(broken("database or disk is full"))

    monkeypatch.setattr(store, "write", full)
    assert await told(linked) == "store_unusable"
    await linked.settled()
    (loan,) = await linked.open_loans()
    assert alive(linked) == [loan.fingerprint], "the row says which key it is"
    assert loan.attempts == 1
    linked.running.sandbox.faults.clear()
    linked.advance(seconds=30)
    linked.loaner.revocations._unstored.clear()  # a process that comes after this one knows the row only
    await linked.loaner.revocations.sweep()
    assert (alive(linked), await linked.open_loans()) == ([], [])


async def test_a_key_whose_return_fails_as_nobody_thought_is_not_forgotten(
    linked: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, write = linked.loaner.store, linked.loaner.store.write
    minted = len(linked.ledger(kind="scoped"))

    async def fails(work: Any) -> Any:
        if len(linked.ledger(kind="scoped")) > minted:
            raise KeyError("of no kind that anybody thought of")
        return await write(work)

    monkeypatch.setattr(store, "write", fails)
    async with linked.agent() as agent:
        assert (await agent.call_tool(*READ)).is_error
    await linked.loaner.revocations.settled()
    monkeypatch.undo()
    linked.advance(minutes=3)
    await linked.loaner.revocations.sweep()
    assert (alive(linked), await linked.open_loans()) == ([], [])


async def test_a_grant_that_was_altered_is_set_aside_and_asked_for_anew(linked: Town) -> None:
    row = await linked.loaner.store.read(lambda c: c.execute(select(grants.c.sealed)).scalar_one())
    bad = bytes([*row[:-1], row[-1] ^ 1])
    await linked.loaner.store.write(lambda c: c.execute(update(grants).values(sealed=bad)) and None)
    assert await told(linked) == "grant_broken"
    assert await told(linked) == "consent_required"


async def test_a_damaged_loan_does_not_keep_the_others_from_being_swept(linked: Town) -> None:
    async with linked.agent() as agent:
        linked.fault("github", "half_close", path="/token/scoped", count=2)
        for _ in range(2):
            await agent.call_tool(*READ)
    first, _ = await linked.open_loans()
    damage = update(loans).where(loans.c.id == first.id).values(record={"v": 99}, latest_expiry=linked.loaner.now())
    await linked.loaner.store.write(lambda c: c.execute(damage) and None)
    linked.advance(hours=9)
    assert await linked.loaner.revocations.sweep() == 2
    assert [loan.id for loan in await linked.open_loans()] == [first.id]
