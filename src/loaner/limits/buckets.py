"""Buckets that flow back evenly, and the row that keeps all of one account for every process."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select, update
from sqlalchemy.exc import IntegrityError

from loaner.catalog.rate import RateLimit
from loaner.store.tables import rate_limits

# Built once: they run in every call.
_MINE = rate_limits.c.key == bindparam("of")
_LOOK = select(rate_limits.c.spent, rate_limits.c.asleep_until).where(_MINE)
_READ = _LOOK.with_for_update()
_CHANGE = update(rate_limits).where(_MINE).values(spent=bindparam("spent"), asleep_until=bindparam("asleep_until"))
_IDLE_SECONDS = 300
_TARGET = "target "
"""Begins the name of an entry that is no limit: until when one target is not asked."""


@dataclass(frozen=True)
class Heard:
    """What an answer said of one limit."""

    limit: float | None
    remaining: float
    full_in: float | None
    """Seconds until it is full again, where nothing remains."""
    at: datetime


@dataclass
class Bucket:
    """``level`` of the limit is spent, as of ``at``."""

    rate_limit: RateLimit
    factor: float
    level: float
    learned: float
    """The limit that the provider itself gave; 0 where it gave none."""
    at: datetime

    @property
    def limit(self) -> float:
        """What may be spent. A factor above 1 does not stretch what the provider itself says."""
        return self.learned * min(1.0, self.factor) if self.learned else self.rate_limit.limit * self.factor

    def flow(self, to: datetime) -> None:
        if to > self.at:
            passed = (to - self.at).total_seconds()
            self.level, self.at = max(0.0, self.level - passed * self.limit / self.rate_limit.seconds), to

    def learn(self, said: Heard) -> None:
        """What the provider said replaces our reckoning where it leaves less."""
        self.learned = said.limit or self.learned
        told = Bucket(self.rate_limit, self.factor, 0.0, self.learned, said.at)
        told.level = (self.learned or told.limit) - said.remaining
        if said.full_in is not None:
            told.empty_for(said.full_in)
        told.flow(self.at)
        self.level = max(self.level, told.level)

    def empty_for(self, seconds: float) -> None:
        """Nothing at all is left before that."""
        self.level = self.limit * (1 + seconds / self.rate_limit.seconds)

    def wait(self, amount: float) -> float:
        """Seconds until there is room. What costs more than the whole limit goes when nothing else is there."""
        over = self.level + min(amount, self.limit) - self.limit
        return max(0.0, over * self.rate_limit.seconds / self.limit)


@dataclass
class StoredBuckets:
    """All buckets of one account."""

    factor: float
    spent: dict[str, list[float]]
    asleep_until: datetime | None

    def bucket(self, rate_limit: RateLimit, at: datetime) -> Bucket:
        """How a limit stands at a moment."""
        level, learned, since = self.spent.get(rate_limit.name, (0.0, 0.0, at.timestamp()))
        found = Bucket(rate_limit, self.factor, level, learned, datetime.fromtimestamp(since, UTC))
        found.flow(at)
        return found

    def put(self, bucket: Bucket) -> None:
        self.spent[bucket.rate_limit.name] = [round(bucket.level, 3), bucket.learned, bucket.at.timestamp()]

    @property
    def targets(self) -> bool:
        """Was it ever said of one target alone that it is to be asked later?"""
        return any(name.startswith(_TARGET) for name in self.spent)

    def hold(self, target: str, until: datetime) -> None:
        """One account at the provider asked to wait; the others are free."""
        self.spent[_TARGET + target.casefold()] = [0.0, 0.0, until.timestamp()]

    def held(self, target: str, at: datetime) -> float:
        """Seconds until it may be asked again; 0 where it may."""
        *_, until = self.spent.get(_TARGET + target.casefold(), (0.0,))
        return max(0.0, until - at.timestamp())

    def forget_idle(self, known: Collection[str], at: datetime) -> None:
        """Drop the limits of single values, such as channels, that nobody has used for a while."""
        since = at.timestamp() - _IDLE_SECONDS
        self.spent = {name: kept for name, kept in self.spent.items() if name in known or kept[2] >= since}


def read(connection: Connection, key: str, factor: float, *, to_change: bool = True) -> StoredBuckets:
    row = connection.execute(_READ if to_change else _LOOK, {"of": key}).first()
    return StoredBuckets(factor, dict(row.spent), row.asleep_until) if row else StoredBuckets(factor, {}, None)


def read_all(connection: Connection, factor: float) -> Mapping[str, StoredBuckets]:
    rows = connection.execute(select(rate_limits).order_by(rate_limits.c.key)).all()
    return {row.key: StoredBuckets(factor, dict(row.spent), row.asleep_until) for row in rows}


def write(connection: Connection, key: str, kept: StoredBuckets) -> None:
    values: dict[str, Any] = {"spent": kept.spent, "asleep_until": kept.asleep_until}
    if connection.execute(_CHANGE, {"of": key} | values).rowcount:
        return
    try:
        with connection.begin_nested():
            connection.execute(rate_limits.insert().values(key=key, **values))
    except IntegrityError:  # another process was first
        connection.execute(_CHANGE, {"of": key} | values)
