"""The mark of a store that was restored from a backup: what was decided before it may have been used up since."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from loaner.store.tables import facts

_NAME = "restored"


def mark(connection: Connection, at: datetime) -> None:
    connection.execute(delete(facts).where(facts.c.name == _NAME))
    connection.execute(insert(facts).values(name=_NAME, value=at.isoformat()))


def restored_at(connection: Connection) -> datetime | None:
    """When this store was restored last; ``None`` for one that never was."""
    said = connection.execute(select(facts.c.value).where(facts.c.name == _NAME)).scalar()
    return datetime.fromisoformat(said) if said else None
