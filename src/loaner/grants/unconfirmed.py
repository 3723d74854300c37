"""What was granted for an account that its person has not confirmed yet: "is that you?".

Until they press, it is set aside like all that nobody uses, and its end at the provider is due when the question ends.
So nothing has to happen for it to be ended: not after a no, nor after a timeout, nor when the process dies.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from loaner.errors import GrantBroken
from loaner.grants import pending_pairs
from loaner.grants.grants import UNUSED, Grant, Granted, Grants, grant_of
from loaner.store.tables import grants

_WHY = "its person has not said that the account is theirs"


def keep(
    connection: Connection, kept: Grants, handle: str, granted: Granted, *, at: datetime, until: datetime
) -> Grant:
    """Set aside what the question with this handle brought; ``until`` it ends."""
    waits = {"id": pending_pairs.id_of(handle), "next_attempt_at": until, "reason": _WHY}
    return kept.set_aside(connection, granted, at, **waits)


def of(connection: Connection, kept: Grants, handle: str, at: datetime) -> Grant:
    """What waits for the person's word. Raises :class:`GrantBroken` once its end has begun, and
    :class:`~loaner.grants.grants.GrantUnreadable`."""
    row = connection.execute(select(grants).where(_waiting(handle, at))).first()
    if row is None:
        raise GrantBroken("the connection was ended before its account was confirmed.")
    kept.opened(row)
    return grant_of(row)


def confirm(connection: Connection, kept: Grants, handle: str, at: datetime) -> Grant:
    """It is theirs: lent on from now on. Raises as :func:`of`."""
    return kept.into_use(connection, of(connection, kept, handle, at).id, _waiting(handle, at))


def disown(connection: Connection, handle: str) -> Grant | None:
    """It is not, or nobody may say so any more: its end is due. ``None`` where that has begun."""
    row = connection.execute(select(grants).where(_waiting(handle))).first()
    connection.execute(update(grants).where(_waiting(handle)).values(next_attempt_at=None))
    return grant_of(row) if row else None


def _waiting(handle: str, at: datetime | None = None) -> Any:
    """``at``: and its end has not begun by then."""
    mine = (grants.c.id == pending_pairs.id_of(handle)) & (grants.c.version == UNUSED)
    mine &= (grants.c.state == "revoking") & (grants.c.attempts == 0)
    return mine & (grants.c.next_attempt_at > at if at else grants.c.next_attempt_at.is_not(None))
