"""What travels through a client while its person thinks is good for one turn (MCP 2026-07-28: single use is ours)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select

from loaner.store.tables import throttles

KEPT = timedelta(minutes=15)
"""Longer than any turn is accepted for: its seal runs out after ten."""
_KEY = "turn "


def spend(connection: Connection, turn: str, at: datetime) -> bool:
    """Whether this is the first time."""
    connection.execute(delete(throttles).where(throttles.c.key.startswith(_KEY), throttles.c.window_ends <= at))
    key = _KEY + turn
    if connection.execute(select(throttles.c.key).where(throttles.c.key == key)).first():
        return False
    connection.execute(throttles.insert().values(key=key, count=1, window_ends=at + KEPT))
    return True
