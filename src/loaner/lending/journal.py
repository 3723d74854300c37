"""The loan journal: durable intent before a credential is minted, the sealed credential before it is used.

Whatever happens to this process, a row says what may be alive, how to end it, and by when it is dead anyway.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, or_, select, update

from loaner.caller import Caller
from loaner.errors import GrantBroken
from loaner.lending.loan import Ask, Minted
from loaner.secret import Secret
from loaner.store import Store
from loaner.store.tables import grants, loans

OPEN = ("intent", "lent", "returning")
CALL_DEADLINE = timedelta(minutes=2)
"""No call takes longer; after it, another process may take a loan's return over."""
UNKNOWN_LIFETIME = timedelta(hours=8)
"""The longest that a credential lives whose expiry we were never told (GitHub's user tokens)."""
_BACKOFF = (1, 2, 5, 15, 30, 60, 300)


@dataclass(frozen=True)
class OpenLoan:
    """A loan that is not known to be dead."""

    id: str
    call_id: str
    state: str
    provider: str
    connector: str
    style: str
    subject: str
    agent: str
    permissions: list[str]
    resource: str
    fingerprint: str | None
    intent_at: datetime
    latest_expiry: datetime
    attempts: int
    last_error: str | None
    record: Mapping[str, Any]


def intend(
    connection: Connection,
    loan_id: str,
    ask: Ask,
    caller: Caller,
    *,
    call_id: str,
    record: dict[str, Any],
    at: datetime,
) -> None:
    """Write down that a credential is about to exist. Raises :class:`GrantBroken` when the grant has just ended."""
    if connection.execute(select(grants.c.state).where(grants.c.id == ask.grant.id)).scalar() != "active":
        raise GrantBroken("the user's grant has ended.", do="Repeat the call: the user will be asked again.")
    connection.execute(update(grants).where(grants.c.id == ask.grant.id).values(used_at=at))
    held = ask.provider.lending.style == "held"
    connection.execute(
        loans.insert().values(
            id=loan_id,
            call_id=call_id,
            subject=caller.subject.key,
            agent=caller.agent.key,
            environment=caller.environment,
            provider=ask.provider.name,
            connector=ask.connector.name,
            grant_id=ask.grant.id,
            style=ask.provider.lending.style,
            state="intent",
            owner=THIS_PROCESS,
            permissions=sorted(ask.scope.permissions),
            resource=ask.scope.resource,
            intent_at=at,
            latest_expiry=(ask.grant.expires_at if held else None) or at + UNKNOWN_LIFETIME,
            next_attempt_at=at + CALL_DEADLINE,
            record=record,
        )
    )


def lent(
    connection: Connection,
    store: Store,
    loan_id: str,
    minted: Minted,
    *,
    record: dict[str, Any],
    at: datetime,
    keep: bool,
) -> None:
    """The credential exists. ``keep`` seals it here so that anyone who finds this row can end it."""
    values: dict[str, Any] = {"state": "lent", "minted_at": at, "fingerprint": minted.credential.fingerprint}
    if keep:
        values["sealed"] = store.sealed.seal(minted.credential, "loans", loan_id)
    if minted.expires_at:
        values |= {"expires_at": minted.expires_at, "latest_expiry": minted.expires_at}
    _change(connection, loan_id, record=record, **values)


def returning(connection: Connection, loan_id: str, *, record: dict[str, Any]) -> None:
    """The call is over, and how it ended is durable before anyone is told."""
    _change(connection, loan_id, state="returning", record=record)


def never_lent(connection: Connection, loan_id: str, *, how: str, at: datetime) -> None:
    """The provider certainly minted nothing."""
    _change(connection, loan_id, state="failed", sealed=None, returned_at=at, returned_how=how)


def returned(connection: Connection, loan_id: str, *, how: str, at: datetime) -> None:
    """The provider confirmed that the credential is dead."""
    _change(connection, loan_id, state="returned", sealed=None, returned_at=at, returned_how=how, last_error=None)


def expired(connection: Connection, loan_id: str, *, how: str, at: datetime) -> None:
    """Nobody confirmed anything, but no credential lives that long."""
    _change(connection, loan_id, state="expired", sealed=None, returned_at=at, returned_how=how)


def not_returned(connection: Connection, loan_id: str, *, attempts: int, reason: str, at: datetime) -> None:
    """Try again later, less often each time."""
    wait = _BACKOFF[min(attempts, len(_BACKOFF)) - 1]
    _change(
        connection,
        loan_id,
        state="returning",
        attempts=attempts,
        last_error=reason,
        next_attempt_at=at + timedelta(seconds=wait),
    )


def open_loans(connection: Connection) -> list[OpenLoan]:
    """Every loan that is not known to be dead, the oldest first."""
    rows = connection.execute(select(loans).where(loans.c.state.in_(OPEN)).order_by(loans.c.intent_at)).all()
    return [_open(row) for row in rows]


def claim_due(connection: Connection, environment: str, *, at: datetime) -> list[OpenLoan]:
    """Take over the loans whose next attempt is due, or whose process is gone; nobody else gets them meanwhile."""
    due = select(loans).where(
        loans.c.state.in_(OPEN),
        loans.c.environment == environment,
        or_(loans.c.next_attempt_at <= at, loans.c.owner != THIS_PROCESS),
    )
    claimed = []
    for row in connection.execute(due.with_for_update(skip_locked=True)).all():
        if row.next_attempt_at <= at or _is_gone(row.owner):
            _change(connection, row.id, owner=THIS_PROCESS, next_attempt_at=at + CALL_DEADLINE)
            claimed.append(_open(row))
    return claimed


def credential(connection: Connection, store: Store, loan_id: str) -> Secret | None:
    """The credential of an open loan, where it was kept."""
    sealed = connection.execute(select(loans.c.sealed).where(loans.c.id == loan_id)).scalar()
    return store.sealed.open(sealed, "loans", loan_id) if sealed else None


def _change(connection: Connection, loan_id: str, **values: object) -> None:
    connection.execute(update(loans).where(loans.c.id == loan_id).values(**values))


def _open(row: Row[Any]) -> OpenLoan:
    return OpenLoan(**{name: getattr(row, name) for name in OpenLoan.__dataclass_fields__})


def _started(pid: int) -> str:
    """When a process started, so that a pid used again is not taken for the one before."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return "?"


def _is_gone(owner: str) -> bool:
    """Is the owner a process of this machine that no longer runs? Of other machines only time can tell."""
    host, pid, started = owner.rsplit(" ", 2)
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return _started(int(pid)) != started


THIS_PROCESS = f"{socket.gethostname()} {os.getpid()} {_started(os.getpid())}"
