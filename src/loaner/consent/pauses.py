"""After a no, silence: the agent is not heard again about that tool on that resource for a while, however it asks.

Ten minutes after the first denial, twice as long after each one that follows, an hour at most. Arguments do not
count, so no other wording of the same wish asks again. A yes to the same, or the person on their page, ends it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, select

from loaner.consent.requests import ConsentRequest
from loaner.errors import ConsentDenied
from loaner.identity.caller import Subject
from loaner.store import tags
from loaner.store.tables import pauses

FIRST = timedelta(minutes=10)
LONGEST = timedelta(hours=1)
_CONNECT = "connect"


@dataclass(frozen=True)
class About:
    """Whose silence about what."""

    subject: str
    agent: str
    """``Agent.key``"""
    environment: str
    tool: str
    resource: str
    """In its canonical name, so that an alias is the same resource."""

    @classmethod
    def asked(cls, asked: ConsentRequest) -> About:
        """What a denied question was about."""
        only_grant = asked.wants_grant and not asked.wants_approval
        tool, resource = _wish(asked.tool, asked.shown.get("resource", ""), asked.connector, only_grant=only_grant)
        return cls(asked.subject, asked.asked_by.key, asked.environment, tool, resource)

    @classmethod
    def wanted(cls, who: tuple[str, str, str], tool: str, resource: str, connector: str, *, only_grant: bool) -> About:
        """The same for a question that is about to be put. ``who``: subject, agent and environment as stored."""
        return cls(*who, *_wish(tool, resource, connector, only_grant=only_grant))

    @property
    def id(self) -> str:
        parts = (self.subject, self.agent, self.environment, self.tool, self.resource)
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Pause:
    id: str
    agent: str
    tool: str
    resource: str
    denials: int
    until: datetime

    @property
    def wish(self) -> str:
        """In words, for the person and the agent."""
        name = self.resource.partition(":")[2] or self.resource
        if self.tool == _CONNECT:
            return f"connecting {name}"
        return f"{self.tool} on {name}" if name else self.tool

    def refusal(self, at: datetime, base_url: str) -> ConsentDenied:
        minutes = max(1, -(-int((self.until - at).total_seconds()) // 60))
        return ConsentDenied(
            f"the user refused {self.wish} and is not asked about it again before {self.until:%H:%M} UTC "
            f"(in {minutes} min). Nothing was sent.",
            do=f"Ask them what they want instead. If that no was a mistake, they can take it back at {base_url}/.",
            dont="Do not repeat it with other arguments, or reach it by another tool.",
        )


def begin(connection: Connection, asked: ConsentRequest, at: datetime) -> None:
    """A question was denied. Inside the transaction that says so."""
    about = About.asked(asked)
    before = next(iter(_read(connection, pauses.c.id == about.id)), None)
    # A no long after the last one is a first one again.
    denials = before.denials + 1 if before and at < before.until + LONGEST else 1
    until = at + min(FIRST * 2 ** min(denials - 1, 8), LONGEST)
    connection.execute(delete(pauses).where(pauses.c.id == about.id))
    row: dict[str, Any] = {"id": about.id, **vars(about), "denials": denials, "until": until, "at": at}
    tags.add(connection, pauses, row)


def holding(connection: Connection, about: About, at: datetime) -> Pause | None:
    """The pause that keeps this from being asked, if one does."""
    return next(iter(_read(connection, pauses.c.id == about.id, pauses.c.until > at)), None)


def end(connection: Connection, about: About) -> None:
    """It was allowed after all, so what was denied before does not count."""
    connection.execute(delete(pauses).where(pauses.c.id == about.id))


def lift(connection: Connection, pause_id: str, subject: str) -> bool:
    """The person wants to be asked again; whether there was a pause of theirs."""
    mine = (pauses.c.id == pause_id) & (pauses.c.subject == subject)
    return connection.execute(delete(pauses).where(mine)).rowcount == 1


def of_person(connection: Connection, subject: Subject, at: datetime) -> list[Pause]:
    return _read(connection, pauses.c.subject == subject.key, pauses.c.until > at)


def sweep(connection: Connection, at: datetime) -> None:
    connection.execute(delete(pauses).where(pauses.c.until < at - LONGEST))


def _wish(tool: str, resource: str, connector: str, *, only_grant: bool) -> tuple[str, str]:
    """A question that lacks nothing but a grant is about the account, whichever tool it came from."""
    return (_CONNECT, connector) if only_grant else (tool, resource)


def _read(connection: Connection, *where: ColumnElement[bool]) -> list[Pause]:
    rows = connection.execute(select(pauses).where(*where).order_by(pauses.c.until))
    return [
        Pause(row.id, row.agent, row.tool, row.resource, row.denials, row.until)
        for row in tags.sound(connection, pauses, rows)
    ]
