"""What a restored store must not believe any more: everything that was decided, or lent, since its backup is unknown.

An approval that was used since would be good for a second use, a block that was set since is not in it, a session may
have been signed out. So nothing that lets a call through survives, and everything is blocked until a person says
`loaner resume`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, select, update

from loaner.blocks import blocks
from loaner.blocks.blocks import Block
from loaner.consent import requests
from loaner.consent.end_approvals import end_covered
from loaner.store import restored, tags
from loaner.store.tables import approvals, consents, passkey_challenges, tasks, web_sessions

SET_BY = "loaner restore"
_WHY = "loaner's store was restored from a backup"


@dataclass(frozen=True)
class Voided:
    """How much of each was still open in the backup."""

    approvals: int
    tasks: int
    questions: int
    sessions: int


def void(connection: Connection, at: datetime) -> Voided:
    """End every approval, task, question and session, block everything, and mark the store as restored."""
    everything = Block("all", "", SET_BY, at)
    blocks.put_block(connection, everything)
    unused = select(func.count()).where(approvals.c.ended_at.is_(None), approvals.c.uses_left > 0)
    left = int(connection.execute(unused).scalar_one())
    # Whatever their expiry says: whose clock it was written by is not known here.
    tags.change(connection, approvals, approvals.c.ended_at.is_(None), ended_at=at)
    stopped = tags.change(connection, tasks, tasks.c.ended_at.is_(None), ended_at=at, ended_why=_WHY)
    for table in (approvals, tasks):  # those that no key of ours has made
        connection.execute(update(table).where(table.c.ended_at.is_(None)).values(ended_at=at))
    _, asked = end_covered(connection, everything, at=at)
    overdue = delete(consents).where(consents.c.state.in_(requests.OPEN))
    connection.execute(overdue)  # whatever was too old to be answered, so that no clock brings it back
    connection.execute(delete(passkey_challenges))
    sessions = connection.execute(delete(web_sessions)).rowcount
    restored.mark(connection, at)
    return Voided(left, stopped, asked, sessions)
