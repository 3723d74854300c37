"""The end of a grant: used no more, ended at its provider, and listed until that is certain.

There is one way out. Whoever stops using a grant leaves it in one of :data:`~loaner.grants.grants.ENDING`, with its
tokens. It is over once its provider confirms that they are dead, or once none of them can live any more.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, select, update

from loaner.clock import from_iso
from loaner.grants.grants import ENDING, NOT_OVER, OF, ONE, Grant, Grants, GrantUnreadable, grant_of, latest
from loaner.grants.seals import identity
from loaner.secret import Secret
from loaner.store import tags
from loaner.store.tables import approvals, grants

REFUSALS_WITHIN = timedelta(minutes=10)
_BACKOFF = (30, 60, 300, 900, 3600, 6 * 3600)
"""Seconds until the next attempt to end a grant at its provider."""


@dataclass(frozen=True)
class EndingGrant:
    """A grant that is used no more and of which something may be alive at its provider."""

    grant: Grant
    reason: str
    """Why it is used no more."""
    ends_at: datetime | None
    """When all of it is dead at the latest; ``None`` where the provider names no end."""
    attempts: int
    last_error: str | None
    next_attempt_at: datetime | None


def listed(connection: Connection) -> list[EndingGrant]:
    """Every grant that is on its way to its end, the oldest first."""
    rows = connection.execute(select(grants).where(grants.c.state.in_(ENDING)).order_by(grants.c.created_at))
    return [_ending(row) for row in rows]


def due(connection: Connection, environment: str, at: datetime) -> list[Grant]:
    """Those whose next attempt may be made now."""
    mine = [one for one in listed(connection) if one.grant.environment == environment]
    return [one.grant for one in mine if one.next_attempt_at is None or one.next_attempt_at <= at]


def block(connection: Connection, grant_id: str, *, reason: str, at: datetime) -> None:
    """Nothing more is lent on it, as somebody wants."""
    mine = update(grants).where(grants.c.id == grant_id, grants.c.state.in_(NOT_OVER))
    connection.execute(mine.values(state="revoking", reason=reason, next_attempt_at=None))
    _end_reading(connection, grant_id, at)


def retire(connection: Connection, grant_id: str, *, reason: str, at: datetime, version: int | None = None) -> bool:
    """Nothing more is lent on it, as its provider refuses it or its row is damaged; whether it was in use.

    ``version``: not on one that was renewed meanwhile.
    """
    mine = [grants.c.id == grant_id, grants.c.state == "active"]
    mine += [grants.c.version == version] if version is not None else []
    gone = update(grants).where(*mine).values(state="disabled", reason=reason, next_attempt_at=None)
    done = connection.execute(gone).rowcount == 1
    _end_reading(connection, grant_id, at)
    return done


def _end_reading(connection: Connection, grant_id: str, at: datetime) -> None:
    """With its last grant an account is disconnected, and nothing of what was agreed to be read there is left."""
    of = ("subject", "connector", "environment")
    row = connection.execute(select(*(grants.c[name] for name in of)).where(grants.c.id == grant_id)).first()
    if row is None or connection.execute(OF, dict(zip(of, row, strict=True))).first():
        return
    end_reading(connection, at, **dict(zip(of, row, strict=True)))


def end_reading(connection: Connection, at: datetime, *, subject: str, connector: str, environment: str) -> int:
    """End what was agreed to be read with an account; how many approvals."""
    account = {"subject": subject, "connector": connector, "environment": environment}
    same = (approvals.c[name] == value for name, value in account.items())
    return tags.change(
        connection, approvals, and_(approvals.c.effect == "read", approvals.c.ended_at.is_(None), *same), ended_at=at
    )


def without_refresh(connection: Connection, kept: Grants, grant: Grant) -> None:
    """The provider says that the refresh token is dead: what may live is the access token, and those before it.

    To an app that it is not known to be of, it says so of a living one too.
    """
    row = connection.execute(ONE, {"id": grant.id, "states": ENDING}).first()
    if row is None or row.version != grant.version or row.client_id is None:
        return
    with contextlib.suppress(GrantUnreadable):
        opened = kept.opened(row) | {"refresh": None}
        ends = row.expires_at
        for _, until in opened.get("replaced", []):
            ends = latest(ends, from_iso(until))
        sealed = kept.store.sealed.seal(Secret(json.dumps(opened)), *identity(dict(row._mapping)))  # noqa: SLF001
        left = update(grants).where(grants.c.id == grant.id, grants.c.version == grant.version)
        connection.execute(left.values(sealed=sealed, ends_at=ends, refresh_expires_at=None))


def refused(connection: Connection, grant: Grant, *, at: datetime) -> int:
    """A refresh was refused in words that nobody knows; how many times that was within :data:`REFUSALS_WITHIN`."""
    row = connection.execute(select(grants).where(grants.c.id == grant.id)).one()
    again = row.refused_at is not None and at - row.refused_at <= REFUSALS_WITHIN
    count, since = (row.refused + 1, row.refused_at) if again else (1, at)
    connection.execute(update(grants).where(grants.c.id == grant.id).values(refused=count, refused_at=since))
    return count


def over(connection: Connection, grant: Grant, *, reason: str) -> bool:
    """It is dead, as its provider or its age says, and its tokens are forgotten; whether it still had these."""
    mine = (grants.c.id == grant.id) & (grants.c.version == grant.version) & grants.c.state.in_(ENDING)
    gone = update(grants).where(mine).values(state="revoked", reason=reason, sealed=None, last_error=None)
    return connection.execute(gone).rowcount == 1


def places(connection: Connection, environment: str) -> list[str]:
    """Where the grants of an environment that are not over were granted."""
    query = select(grants.c.place).where(grants.c.environment == environment, grants.c.state.in_(NOT_OVER))
    return [row.place for row in connection.execute(query.distinct()) if row.place]


def forget(connection: Connection, environment: str, place: str, *, reason: str) -> None:
    """End the grants of a place that is no more: nothing is left there to end."""
    there = (grants.c.environment == environment) & (grants.c.place == place) & grants.c.state.in_(NOT_OVER)
    connection.execute(update(grants).where(there).values(state="revoked", reason=reason, sealed=None))


def put_off(connection: Connection, grant_id: str, *, error: str, at: datetime) -> EndingGrant | None:
    """It is not over, and is tried again, less often each time. How it stood before; ``None`` when it is over."""
    row = connection.execute(ONE, {"id": grant_id, "states": ENDING}).first()
    if row is None:
        return None
    wait = timedelta(seconds=_BACKOFF[min(row.attempts, len(_BACKOFF) - 1)])
    values = {"attempts": row.attempts + 1, "next_attempt_at": at + wait, "last_error": error}
    connection.execute(update(grants).where(grants.c.id == grant_id).values(values))
    return _ending(row)


def _ending(row: Row[Any]) -> EndingGrant:
    return EndingGrant(grant_of(row), row.reason or "", row.ends_at, row.attempts, row.last_error, row.next_attempt_at)
