"""Starting over from this computer's clock, where the store has seen a later time: nobody knows how much has passed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from loaner.audit import event
from loaner.clock import iso
from loaner.consent import requests
from loaner.consent.end_approvals import noted
from loaner.identity.local_person import local_subject
from loaner.store import clock_seen, tags
from loaner.store.tables import approvals, consents, grants, passkey_challenges, pauses, tasks, web_sessions

_WHY = "the clock was set back"


def accept(connection: Connection, at: datetime) -> datetime | None:
    """End every approval, task, question and session, and let pauses run for as long as they still would have.

    What the store had seen; ``None`` where this clock is not behind that, and then nothing is done.
    """
    seen = clock_seen.latest(connection)
    if seen is None or at >= seen - clock_seen.SKEW:
        return None
    for row in connection.execute(select(approvals).where(approvals.c.ended_at.is_(None))).all():
        if tags.change(connection, approvals, approvals.c.id == row.id, ended_at=at) and row.task is None:
            noted(connection, event.note, row, at, _WHY, approval_id=row.id)
    for row in connection.execute(select(tasks).where(tasks.c.ended_at.is_(None))).all():
        if tags.change(connection, tasks, tasks.c.id == row.id, ended_at=at, ended_why=_WHY):
            noted(connection, event.note, row, at, _WHY, task=row.id)
    for row in connection.execute(select(pauses).where(pauses.c.until > seen)).all():
        tags.change(connection, pauses, pauses.c.id == row.id, until=at + (row.until - seen))
    tags.change(connection, consents, consents.c.state.in_(requests.OPEN), state="expired", decided_at=at)
    connection.execute(update(grants).where(grants.c.state == "revoking").values(next_attempt_at=None))
    for table in (web_sessions, passkey_challenges):
        connection.execute(delete(table))
    said = f"{_WHY}: the store had seen {iso(seen)}"
    event.note(connection, "clock_accepted", subject=local_subject().key, at=at, outcome="ok", reason=said)
    clock_seen.start_over(connection, at)
    return seen
