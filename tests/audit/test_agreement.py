"""The records decide what stands: a block that was deleted is put back, a yes that no record gave is told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from sqlalchemy import delete, insert, select, text

from journeys.town import Town, error_of, town
from loaner.audit import agreement
from loaner.cli import _app
from loaner.identity.caller import LOCAL, Agent, Caller, Subject
from loaner.store import tags
from loaner.store.tables import approvals, blocks, tasks

ISSUE = {"owner": "acme", "repo": "web", "issue_number": 1}
READ = ("github_list_issues", {"owner": "acme", "repo": "web"})
WRITE = ("github_add_issue_comment", {**ISSUE, "body": "hello"})
OPERATOR = Caller(Subject(LOCAL, "operator"), Agent("cli", "loaner"), "local", "a test")


@pytest.fixture
async def acme(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path / "home") as built:
        async with built.agent() as agent:
            assert not (await built.call(agent, *READ)).is_error
        await built.settled()
        yield built


@pytest.fixture
def verb(acme: Town, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    monkeypatch.setenv("LOANER_HOME", str(acme.home))

    async def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = await anyio.to_thread.run_sync(_app.run, list(arguments))
        return code, capsys.readouterr().out

    return run


async def once(acme: Town, statement: Any) -> None:
    await acme.loaner.store.write(lambda c: c.execute(statement) and None)


async def test_a_block_that_was_deleted_is_told_and_put_back_until_it_is_lifted(
    acme: Town, verb: Callable[..., Any]
) -> None:
    """MUST 58"""
    loaner = acme.loaner
    await loaner.stopper.stop("agent", "test-agent", OPERATOR)
    assert await verb("audit", "verify") == (0, (await verb("audit", "verify"))[1])
    await once(acme, delete(blocks))
    code, told = await verb("audit", "verify")
    assert (code, "the block agent test-agent is gone" in told) == (8, True)
    _, shown = await verb("status", "--json")
    assert json.loads(shown)["altered"] == ["the block agent test-agent is gone, and nobody lifted it"]
    await agreement.restored(loaner.store, loaner.now)
    async with acme.agent() as agent:
        assert error_of(await agent.call_tool(*READ))["code"] == "policy_denied"
    assert (await verb("audit", "verify"))[0] == 0
    await loaner.stopper.resume("agent", "test-agent", OPERATOR)
    await agreement.restored(loaner.store, loaner.now)
    assert await loaner.stopper.standing() == []
    assert (await verb("audit", "verify"))[0] == 0
    (record,) = await acme.records(kind="block_put_back")
    assert record["resource"] == "block:agent test-agent"


async def test_an_approval_that_no_record_gave_is_told(acme: Town, verb: Callable[..., Any]) -> None:
    async with acme.agent() as agent:
        assert not (await acme.call(agent, *WRITE)).is_error
    await acme.settled()
    row = await acme.loaner.store.read(lambda c: dict(c.execute(select(approvals).limit(1)).one()._mapping))
    assert (await verb("audit", "verify"))[0] == 0
    forged = row | {"id": "f" * 32, "uses_left": 1, "ended_at": None}
    await once(acme, insert(approvals).values(**forged))
    code, told = await verb("audit", "verify")
    assert (code, f"the approval {'f' * 32} was given by no record" in told) == (8, True)


async def test_a_call_on_an_approval_that_had_ended_is_told(acme: Town, verb: Callable[..., Any]) -> None:
    """The row that was put back is good by its tag, and the records are not."""
    async with acme.agent() as agent:
        asked = await agent.call_tool(*WRITE)
        await acme.decide(asked)
        (before,) = await acme.loaner.store.read(
            lambda c: [dict(row._mapping) for row in c.execute(select(approvals).where(approvals.c.uses_left > 0))]
        )
        issuer, _, sub = before["subject"].partition(" ")
        assert await acme.loaner.consents.end_approval(before["id"], Subject(issuer, sub))
        acme.advance(minutes=2)
        await once(acme, delete(approvals).where(approvals.c.id == before["id"]))
        await once(acme, insert(approvals).values(**before))
        assert not (await agent.call_tool(*WRITE)).is_error
    await acme.settled()
    code, told = await verb("audit", "verify")
    assert (code, f"its approval {before['id']} had ended before" in told) == (8, True)


async def test_what_a_stop_ended_is_recorded_and_agrees(acme: Town, verb: Callable[..., Any]) -> None:
    async with acme.agent() as agent:
        await acme.decide(await agent.call_tool(*WRITE))
    await acme.loaner.stopper.stop("all", "", OPERATOR)
    assert {body["reason"] for body in await acme.records(kind="approval_ended")} == {"everything is stopped"}
    await acme.loaner.stopper.resume("all", "", OPERATOR)
    assert (await verb("audit", "verify"))[0] == 0


async def test_a_task_without_a_record_is_told(acme: Town) -> None:
    def work(connection: Any) -> list[str]:
        at = acme.loaner.now()
        row = dict.fromkeys(("subject", "agent", "environment", "purpose", "need", "policy_version", "proven_by"), "x")
        later = at.replace(year=at.year + 1)
        whole = row | {"id": "e" * 32, "source": "agent", "created_at": at, "expires_at": later}
        tags.add(connection, tasks, whole)
        return agreement.unrecorded(connection, at)

    assert await acme.loaner.store.write(work) == [f"the task {'e' * 32} was given by no record"]


async def test_the_records_of_calls_are_not_read_for_it(acme: Town) -> None:
    query = (
        "EXPLAIN QUERY PLAN SELECT body FROM records WHERE records.kind <> 'call' AND kind IN ('revoke') ORDER BY seq"
    )
    plan = await acme.loaner.store.read(lambda c: str(c.execute(text(query)).all()))
    assert "records_other" in plan
