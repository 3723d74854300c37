"""What a forked child does besides serving. Answers go to ``answer.json`` (or the name in the job) in its home."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sqlalchemy import select

from loaner import settings
from loaner.assembly import Loaner, open_loaner
from loaner.audit.verify import verify
from loaner.cli import _sandboxed, loans
from loaner.store import Unsealable
from loaner.store.tables import grants


def opened(serving: bool = False) -> Any:
    chosen = settings.load()
    assert chosen.sandbox
    return open_loaner(
        _sandboxed.on_sandbox(chosen, chosen.sandbox), connectors=_sandboxed.connectors(), serving=serving
    )


def answer(job: dict[str, Any], said: Any) -> None:
    (Path(job["home"]) / job.get("answer", "answer.json")).write_text(json.dumps(said))


async def recover(job: dict[str, Any]) -> None:
    """What a start does first: sweep. Then tell all that loaner itself knows."""
    async with opened() as loaner:
        await loaner.returns.sweep()
        records = await loaner.audit.tail(100_000)
        found = {
            "chain": verify(records).ok,
            "records": [record.body for record in records],
            "held": await _held(loaner),
            "loans": await loans._open_loans(),
        }
    answer(job, found)


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
