"""What a forked child does besides serving. Answers go to ``answer.json`` (or the name in the job) in its home."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
from sqlalchemy import select

from loaner import settings
from loaner.assembly import Loaner, open_loaner
from loaner.audit.verify import verify
from loaner.cli import _sandboxed, loans
from loaner.clock import utc_now
from loaner.store import Unsealable
from loaner.store.tables import grants


def opened(job: dict[str, Any]) -> Any:
    """A loaner without servers. ``skew`` in the job: minutes by which its clock is ahead."""
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
        await loaner.returns.sweep()
        records = await loaner.audit.tail(100_000)
        found = {
            "chain": verify(records).ok,
            "records": [record.body for record in records],
            "held": await _held(loaner),
            "loans": await loans._open_loans(),
        }
    answer(job, found)


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
