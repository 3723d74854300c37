"""The latest time that a store has seen, by any server: a clock that is behind it makes what was agreed live on."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, delete, insert, select

from loaner.clock import from_iso, iso
from loaner.errors import SettingsInvalid
from loaner.store.tables import facts, records

log = structlog.get_logger(__name__)
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


class Watched:
    """Whether this server's clock agrees with what all servers of its store noted, as of the last look."""

    def __init__(self) -> None:
        self._behind: SettingsInvalid | None = None

    def look(self, connection: Connection, at: datetime) -> None:
        """Compare them, and say in the log where that has changed."""
        before, self._behind = self._behind, None
        try:
            refuse_behind(latest(connection), at)
        except SettingsInvalid as behind:
            self._behind = behind
        if self._behind and not before:
            why = self._behind.cause
            log.error("the clock is behind that of another server: nothing that was agreed counts here", why=why)
        if before and not self._behind:
            log.warning("the clock is right again")

    def refuse(self) -> None:
        """Raises :class:`SettingsInvalid` while it is behind: nobody may gain time by that."""
        if self._behind is not None:
            raise SettingsInvalid(self._behind.cause, do=self._behind.do)
