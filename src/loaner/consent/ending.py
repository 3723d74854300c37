"""Ending every yes behind a fence: approvals that were given, and questions that would lead to new ones."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from loaner.caller import Agent
from loaner.consent import pending
from loaner.consent.approvals import end_all
from loaner.fences import Fence, Party
from loaner.store import tags
from loaner.store.tables import approvals, consents, tasks


def end_covered(connection: Connection, fence: Fence, *, at: datetime) -> tuple[int, int]:
    """End what the fence covers, inside the transaction that puts it up; how many approvals and questions.

    A grant's own end leaves approvals alone: they say what an agent may do, whatever account it is done with.
    """
    given = connection.execute(select(approvals).where(approvals.c.ended_at.is_(None), approvals.c.expires_at > at))
    over = [
        row.id for row in given if fence.covers(Party(row.subject, row.agent, row.environment, row.connector, None))
    ]
    for approval_id in over:
        end_all(connection, approvals.c.id == approval_id, at)
    for row in connection.execute(select(tasks).where(tasks.c.ended_at.is_(None))).all():
        if fence.covers(Party(row.subject, row.agent, row.environment, "", None)):
            why = f"{fence.told()} by {fence.set_by}"
            tags.change(connection, tasks, tasks.c.id == row.id, ended_at=at, ended_why=why)
    asked = connection.execute(select(consents).where(consents.c.state.in_(pending.OPEN))).all()
    moved = 0
    for row in asked:
        agent = Agent.read(row.agent)
        if fence.covers(Party(row.subject, agent.key, row.environment, row.connector, None)):
            words = f"{fence.told()[0].upper()}{fence.told()[1:]} by {fence.set_by}. Nothing was connected."
            moved += pending.move(connection, row.handle, to="failed", at=at, failure=words)
    return len(over), moved
