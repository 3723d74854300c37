"""Ending what a block covers: approvals that were given, and questions that would lead to new ones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from loaner.blocks.blocks import Block, Party
from loaner.consent import requests
from loaner.consent.approvals import end_all
from loaner.identity.caller import Agent
from loaner.store import tags
from loaner.store.tables import approvals, consents, tasks


def end_covered(
    connection: Connection, block: Block, *, at: datetime, note: Callable[..., object] | None = None
) -> tuple[int, int]:
    """End what the block covers, inside the transaction that puts it up; how many approvals and questions.

    A grant's own end leaves approvals alone: they say what an agent may do, whatever account it is done with.
    """
    given = connection.execute(select(approvals).where(approvals.c.ended_at.is_(None), approvals.c.expires_at > at))
    over = [row for row in given if block.covers(Party(row.subject, row.agent, row.environment, row.connector, None))]
    for row in over:
        if end_all(connection, approvals.c.id == row.id, at) and note and row.task is None:
            noted(connection, note, row, at, block.told(), approval_id=row.id)
    for row in connection.execute(select(tasks).where(tasks.c.ended_at.is_(None))).all():
        if block.covers(Party(row.subject, row.agent, row.environment, "", None)):
            why = f"{block.told()} by {block.set_by}"
            if tags.change(connection, tasks, tasks.c.id == row.id, ended_at=at, ended_why=why) and note:
                noted(connection, note, row, at, why, task=row.id)
    asked = connection.execute(select(consents).where(consents.c.state.in_(requests.OPEN))).all()
    moved = 0
    for row in asked:
        agent = Agent.read(row.agent)
        if block.covers(Party(row.subject, agent.key, row.environment, row.connector, None)):
            words = f"{block.told()[0].upper()}{block.told()[1:]} by {block.set_by}. Nothing was connected."
            moved += requests.move(connection, row.handle, to="failed", at=at, failure=words)
    return len(over), moved


def noted(
    connection: Connection, note: Callable[..., object], row: Row[Any], at: datetime, why: str, **of: str
) -> None:
    """Record the end of an approval or a task with the end, so that a row which is put back can be told."""
    note(
        connection,
        "approval_ended",
        subject=row.subject,
        at=at,
        environment=row.environment,
        reason=why,
        outcome="ok",
        **of,
    )
