"""A caller, a call, a clock and some records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import Connection

from loaner.audit import Record, append
from loaner.audit.read import every
from loaner.identity.caller import Agent, Caller, Subject
from loaner.store import Store

ALICE = Caller(Subject("local", "alice"), Agent("claude-code", version="2.1"), "development", "this computer")


@dataclass(frozen=True)
class Call:
    """What a door hands over."""

    tool: str = "github_create_issue"
    id: str = "a" * 32


class Clock:
    """A time that stands still until it is told."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 22, 12, 0, 0, 123_456, UTC)

    def __call__(self) -> datetime:
        return self.moment

    def pass_by(self, **how: float) -> None:
        self.moment += timedelta(**how)


_numbers = count(1)


def body(**said: Any) -> dict[str, Any]:
    """The least that a record says, with an id of its own."""
    return {"id": f"{next(_numbers):032x}", "kind": "call", "issuer": "local", "sub": "alice", **said}


async def filled(store: Store, records: int, **said: Any) -> None:
    """Append some records."""
    at = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def work(connection: Connection) -> None:
        for _ in range(records):
            append(connection, body(**said), at)

    await store.write(work)


def all_of(store: Store) -> list[Record]:
    return store.read_now(lambda connection: list(every(connection)))
