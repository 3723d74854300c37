"""What a forked child does besides serving. Answers go to ``answer.json`` (or the name in the job) in its home."""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
from sqlalchemy import select, update

from crash import consenting
from loaner import failpoints, settings
from loaner.assembly import Loaner, open_loaner
from loaner.audit import read
from loaner.audit.verify import verify
from loaner.cli import _sandboxed, loans, serve
from loaner.clock import utc_now
from loaner.errors import LoanerError
from loaner.identity.caller import Agent, Caller, Subject
from loaner.journey import ToolCall
from loaner.store import Unsealable
from loaner.store.tables import grants

EPOCH = datetime(1970, 1, 2, tzinfo=UTC)
TRIES = 6


def opened(job: dict[str, Any]) -> Any:
    """A loaner without a door. ``skew`` in the job: minutes by which its clock is ahead."""
    chosen = settings.load()
    assert chosen.sandbox
    ahead = timedelta(minutes=job.get("skew", 0))
    return open_loaner(
        _sandboxed.on_sandbox(chosen, chosen.sandbox),
        connectors=_sandboxed.connectors(),
        now=lambda: utc_now() + ahead,
        serving=False,
    )


def answer(job: dict[str, Any], said: Any) -> None:
    (Path(job["home"]) / job.get("answer", "answer.json")).write_text(json.dumps(said))


async def recover(job: dict[str, Any]) -> None:
    """What a start does first: sweep. Then tell all that loaner itself knows."""
    async with opened(job) as loaner:
        await loaner.revocations.sweep()
        answer(job, await books(loaner))


async def carry(job: dict[str, Any]) -> None:
    """What a process does that was started after a crash and crashes in turn: sweep, tell, work, and die of a call.

    It stops twice for the one who asked: before it works, so that its books are compared with nothing newer, and
    before the call, once it is armed.
    """
    async with opened(job) as loaner, anyio.create_task_group() as tasks:
        await loaner.revocations.sweep()
        answer(job, await books(loaner, after=job["after"]))
        stop(job)
        await tasks.start(loaner.revocations.run)
        await until_done(loaner, job)
        await loaner.revocations.settled()
        await PREPARATIONS[job["before"]](loaner, job)
        if job["point"]:
            failpoints.arm(job["point"])
        stop(job)
        await until_done(loaner, job)
        tasks.cancel_scope.cancel()


async def rehearse(job: dict[str, Any]) -> None:
    """All of that but the dying, in the process that the others are forked from."""
    async with opened(job) as loaner, anyio.create_task_group() as tasks:
        await loaner.revocations.sweep()
        await books(loaner, after=job["after"])
        await tasks.start(loaner.revocations.run)
        await until_done(loaner, job)
        tasks.cancel_scope.cancel()


def stop(job: dict[str, Any]) -> None:
    """Say so, and go on at SIGUSR1."""
    os.write(job["tell"], json.dumps({"pid": os.getpid(), "ready": True}).encode() + b"\n")
    signal.sigwait({signal.SIGUSR1})


async def until_done(loaner: Loaner, job: dict[str, Any]) -> None:
    """Call, have the person say yes to whatever is asked, call again: never half of it."""
    issuer, _, sub = job["subject"].rpartition(" ")
    caller = Caller(Subject(issuer, sub), Agent("test-agent", "actor", issuer), loaner.settings.environment, "a test")
    for _ in range(TRIES):
        try:
            await loaner.journey.carry(ToolCall(job["tool"], job["arguments"]), caller)
        except LoanerError as failure:
            print(repr(failure), failure.log, file=sys.stderr, flush=True)  # noqa: T201 - the log of this child
            if question := getattr(failure, "invitation", None):
                await consenting.agree(loaner, caller.subject, question.handle, job["sandbox"], job["account"])
        else:
            return
    raise AssertionError("the call does not work any more")


async def stdio(job: dict[str, Any]) -> None:
    """What an agent starts for the person at this machine, its ends of the pipes named in the job."""
    os.dup2(os.open(job["input"], os.O_RDONLY), 0)
    os.dup2(os.open(job["output"], os.O_WRONLY), 1)
    chosen = settings.load()
    if job["point"]:
        failpoints.arm(job["point"])
    await serve._serve(chosen.model_copy(update={"http": chosen.http.model_copy(update={"port": 0})}), http=False)


async def expire(loaner: Loaner, job: dict[str, Any]) -> None:
    """As if the access tokens of this provider's grants had reached their end."""
    mine = (grants.c.provider == job["provider"]) & (grants.c.state == "active")
    await loaner.store.write(lambda c: c.execute(update(grants).where(mine).values(expires_at=EPOCH)) and None)


async def disconnect(loaner: Loaner, job: dict[str, Any]) -> None:
    """The person ends the grants of this provider."""
    mine = (grants.c.provider == job["provider"]) & (grants.c.state == "active")
    for grant in await loaner.store.read(lambda c: list(c.execute(select(grants.c.id).where(mine)).scalars())):
        await loaner.stopper.end_grant(grant)


async def nothing(_: Loaner, __: dict[str, Any]) -> None:
    """The call is what it is."""


PREPARATIONS = {"": nothing, "expire": expire, "disconnect": disconnect}


async def books(loaner: Loaner, *, after: int | None = None) -> dict[str, Any]:
    """All that loaner itself knows; of the records, those that follow one whose place is known, or all of them."""
    records = await loaner.store.read(lambda c: list(read.every(c, after or 0)))
    return {
        "chain": verify(records).ok if after is None else None,
        "size": records[-1].seq if records else after or 0,
        "records": [record.body for record in records],
        "held": await _held(loaner),
        "loans": await loans.listed(loaner.store),
    }


async def refresh(job: dict[str, Any]) -> None:
    """Wait for the others, then ask for a live token of one grant, as every call does."""
    async with opened(job) as loaner:
        provider, connector = loaner.catalog.providers[job["provider"]], loaner.connectors.named(job["provider"])
        home = Path(job["home"])
        (home / f"{job['answer']}.ready").touch()
        while not (home / "go").exists():  # noqa: ASYNC110 - the other processes are no events of ours
            await anyio.sleep(0.02)
        _, token = await loaner.lender.refresher.fresh(job["grant"], provider, connector)
        answer(job, token.fingerprint)


async def _held(loaner: Loaner) -> list[str]:
    """Fingerprints of every token that an active grant can use."""
    held = []
    for row in await loaner.store.read(lambda c: c.execute(select(grants.c.id, grants.c.state)).all()):
        if row.state == "active":
            try:
                _, access, refresh = await loaner.grants.tokens(row.id)
            except Unsealable:
                continue
            held += [token.fingerprint for token in (access, refresh) if token]
    return held
