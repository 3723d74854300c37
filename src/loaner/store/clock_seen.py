"""The latest time that a store has seen, by any server: a clock that is behind it makes what was agreed live on."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select

from loaner.clock import from_iso, iso
from loaner.errors import SettingsInvalid
from loaner.store.tables import facts, records

SKEW = timedelta(minutes=2)
"""How far the clocks of two servers may be apart."""
_EVERY = timedelta(minutes=1)
_NAME = "clock"


def latest(connection: Connection) -> datetime | None:
    """By the last record, and by what servers noted since; ``None`` for a new store."""
    return max((at for at in (noted(connection), recorded(connection)) if at), default=None)


def noted(connection: Connection) -> datetime | None:
    """By what servers noted."""
    value = connection.execute(select(facts.c.value).where(facts.c.name == _NAME)).scalar()
    return from_iso(value) if value else None


def recorded(connection: Connection) -> datetime | None:
    """By the last record."""
    return connection.execute(select(records.c.at).order_by(records.c.seq.desc()).limit(1)).scalar()


def see(connection: Connection, at: datetime) -> None:
    """Note the time, once a minute. Inside a ``Store.write``."""
    before = connection.execute(select(facts.c.value).where(facts.c.name == _NAME)).scalar()
    if before is None or from_iso(before) <= at - _EVERY:
        start_over(connection, at)


def start_over(connection: Connection, at: datetime) -> None:
    """Note this time, whatever was noted before."""
    connection.execute(delete(facts).where(facts.c.name == _NAME))
    connection.execute(insert(facts).values(name=_NAME, value=iso(at)))


def refuse_behind(seen: datetime | None, at: datetime) -> None:
    """Raises :class:`SettingsInvalid` for a clock that is behind what a store has ``seen``."""
    if seen is not None and at < seen - SKEW:
        raise SettingsInvalid(
            f"the clock of this computer says {iso(at)}, and this store was used at {iso(seen)} already: "
            "what was agreed to would live longer than was said.",
            do="Set the clock right. If it is, and was ahead before: loaner accept-clock, which ends what was agreed.",
        )
