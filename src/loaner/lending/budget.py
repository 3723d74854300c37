"""Staying inside a provider's limits before it has to say no, for each connector and account there.

A bucket per limit flows back evenly. What a call will cost is taken in the very transaction that journals its loan:
every process that shares the store sees it, and no call pays a commit for it. What the provider says of a limit in
its answers replaces what its documents say.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
from sqlalchemy import Connection, select, update
from sqlalchemy.exc import IntegrityError

from loaner.catalog import BoundCall
from loaner.catalog.provider import Budget, Provider
from loaner.clock import Now
from loaner.consent.grants import Grant
from loaner.errors import RateLimited
from loaner.provider_call import Answer
from loaner.provider_call.waiting import retry_after, whole
from loaner.settings import BudgetSettings
from loaner.store import Store
from loaner.store.tables import budgets

_SAFETY = 0.01
"""Seconds more than reckoned, so that the next look finds enough."""


@dataclass(frozen=True)
class Account:
    """Whose limits a call spends: an account at a provider, through one connector."""

    provider: Provider
    connector: str
    account_id: str

    @classmethod
    def of(cls, provider: Provider, grant: Grant) -> Account:
        return cls(provider, grant.connector, grant.account_id)

    @property
    def key(self) -> str:
        return f"{self.provider.name} {self.connector} {self.account_id}"


class NothingLeft(Exception):
    """Not now: there is enough again in ``seconds``. ``what`` has run out; empty when the provider asked to wait."""

    def __init__(self, seconds: float, what: str) -> None:
        super().__init__(f"{what or 'asleep'}: {seconds:.2f} s")
        self.seconds = seconds
        self.what = what

    def told(self, provider: Provider) -> RateLimited:
        seconds = max(1, math.ceil(self.seconds))
        why = f"this user's {self.what} there are used up for now" if self.what else f"{provider.title} asked to wait"
        error = RateLimited(
            f"held back by loaner, {why}: retry after {seconds} s. Nothing was sent.",
            retry_after=seconds,
            dont="Retry once at most; narrow the query or lower limit.",
        )
        error.own = True
        return error


@dataclass(frozen=True)
class Left:
    """How one limit stands. Counted in the provider's own units."""

    provider: str
    connector: str
    account: str
    budget: str
    limit: int
    left: int
    full_in: int
    """Seconds until all of it is back."""


@dataclass
class _Bucket:
    level: float
    limit: float
    at: datetime

    def flow(self, to: datetime, seconds: float) -> None:
        if to > self.at:
            passed = (to - self.at).total_seconds()
            self.level, self.at = max(0.0, self.level - passed * self.limit / seconds), to


@dataclass(frozen=True)
class _Heard:
    limit: float | None
    remaining: float
    full_in: float | None
    at: datetime


class Budgets:
    def __init__(self, store: Store, now: Now, settings: BudgetSettings) -> None:
        self.store = store
        self.now = now
        self.settings = settings
        self._heard: dict[str, dict[str, _Heard]] = {}

    async def granted(self, account: Account, bound: BoundCall, work: Callable[[Connection], object]) -> str | None:
        """Run ``work`` in the store together with taking what the call costs, and say whether it had to wait.

        The ladder: a credential of its own for each call; then a short wait; then :class:`RateLimited`, with ``work``
        not done. What ``work`` raises passes through, and then nothing is taken.
        """
        waited = 0.0
        while True:
            at = self.now()

            def both(connection: Connection, at: datetime = at) -> None:
                self.spend(connection, account, bound, at)
                work(connection)

            try:
                # A caller who goes away here must find it either not begun or done, never in between.
                with anyio.CancelScope(shield=True):
                    await self.store.write(both)
            except NothingLeft as wanting:
                waited += wanting.seconds
                if waited > self.settings.wait_seconds:
                    raise wanting.told(account.provider) from None
                await anyio.sleep(wanting.seconds)
            else:
                return "waited" if waited else None

    def spend(self, connection: Connection, account: Account, bound: BoundCall, at: datetime) -> None:
        """Take what the call will cost, inside the transaction. Raises :class:`NothingLeft`, taking nothing."""
        if not self.settings.factor:
            return
        kept, asleep_until = _read(connection, account.key)
        if asleep_until and asleep_until > at:
            raise NothingLeft((asleep_until - at).total_seconds() + _SAFETY, "")
        heard = self._heard.get(account.key, {})
        longest, what = 0.0, ""
        for budget, amount in costs(bound):
            bucket = self._bucket(kept, budget, at)
            bucket.flow(at, budget.seconds)
            if said := heard.get(budget.name):
                _learn(bucket, budget, said)
            # A request that costs more than the whole limit goes when nothing else is there.
            over = bucket.level + min(amount, bucket.limit) - bucket.limit
            wait = over * budget.seconds / bucket.limit
            if wait > longest:
                longest, what = wait, budget.name
            bucket.level += amount
            kept[budget.name] = bucket
        if longest > 0:
            raise NothingLeft(longest + _SAFETY, what)
        _write(connection, account.key, spent=_as_json(kept))
        self._heard.pop(account.key, None)  # it is in the row now

    def heard(self, account: Account, answer: Answer) -> None:
        """Note what an answer says of the limits; it counts from the next call on."""
        rate = account.provider.rate
        about = answer.headers.get(rate.resource_header or "", "")
        for budget in rate.budgets:
            remaining = whole(answer.headers.get(budget.remaining_header or ""))
            if remaining is None or (budget.resource and budget.resource != about):
                continue
            limit = whole(answer.headers.get(budget.limit_header or ""))
            # Only an empty bucket needs the moment at which it is full again; it is read on the provider's own clock.
            full_in = None if remaining else float(retry_after({**_only(answer, budget)}, _reset_of(budget, account)))
            said = _Heard(limit or None, remaining, full_in, self.now())
            self._heard.setdefault(account.key, {})[budget.name] = said

    @asynccontextmanager
    async def obeying(self, account: Account, bound: BoundCall) -> AsyncIterator[None]:
        """Where a provider asks to wait inside the block, it is not asked again before."""
        try:
            yield
        except RateLimited as asked:
            await self.obey(account, bound, asked)
            raise

    async def obey(self, account: Account, bound: BoundCall, asked: RateLimited) -> None:
        """The provider asked to wait: nobody asks it again before, from no process."""
        if asked.own or not self.settings.factor:
            return
        at = self.now()
        until = at + timedelta(seconds=asked.retry_after)
        alone = [budget for budget, _ in costs(bound) if budget.name in _of_methods(bound)]

        def work(connection: Connection) -> None:
            kept, asleep_until = _read(connection, account.key)
            if not alone:
                _write(connection, account.key, asleep_until=max(until, asleep_until or until))
                return
            for budget in alone:  # a limit of one method: the others still work
                bucket = self._bucket(kept, budget, at)
                bucket.level = bucket.limit * (1 + asked.retry_after / budget.seconds)
                kept[budget.name] = bucket
            _write(connection, account.key, spent=_as_json(kept))

        await self.store.write(work)

    async def left(self, providers: Mapping[str, Provider]) -> list[Left]:
        """How every limit stands that was ever touched."""
        rows = await self.store.read(lambda c: c.execute(select(budgets).order_by(budgets.c.key)).all())
        return [left for row in rows for left in self._left(row, providers)]

    def _left(self, row: Any, providers: Mapping[str, Provider]) -> Iterator[Left]:
        name, connector, account = row.key.split(" ", 2)
        at, provider = self.now(), providers.get(name)
        for budget in _known(provider) if provider else ():
            if budget.name not in row.spent:
                continue
            bucket = self._bucket(_from_json(row.spent), budget, at)
            bucket.flow(at, budget.seconds)
            left, full_in = bucket.limit - bucket.level, bucket.level * budget.seconds / bucket.limit
            if row.asleep_until and row.asleep_until > at:
                left, full_in = 0.0, max(full_in, (row.asleep_until - at).total_seconds())
            yield Left(
                name, connector, account, budget.name, int(bucket.limit), max(0, math.floor(left)), math.ceil(full_in)
            )

    def _bucket(self, kept: dict[str, _Bucket], budget: Budget, at: datetime) -> _Bucket:
        return kept.get(budget.name) or _Bucket(0.0, budget.limit * self.settings.factor, at)


def costs(bound: BoundCall) -> Iterator[tuple[Budget, int]]:
    """What one call takes of each limit of its provider, its credential included."""
    rate, requests = bound.operation.provider.rate, list(_requests(bound))
    for budget in rate.budgets:
        amount = budget.mint + sum(
            budget.write if changes else budget.read
            for path, changes in requests
            if not budget.paths or path.startswith(budget.paths)
        )
        if amount:
            yield budget, amount
    for path, _ in requests:
        if alone := rate.of_method(path):
            yield alone, 1


def _requests(bound: BoundCall) -> Iterator[tuple[str, bool]]:
    """Path of each request of this call, and whether it changes anything."""
    operation = bound.operation
    for name, param in operation.params.items():
        lookup = operation.provider.lookups[param.lookup] if param.lookup else None
        if lookup and lookup.needed(bound.arguments.get(name)):
            yield lookup.step.path or "", False
    for step in operation.steps:
        if not step.upload_to and (step.when is None or step.when.holds(bound.arguments)):
            yield step.path or "", step.changes


def _of_methods(bound: BoundCall) -> set[str]:
    rate = bound.operation.provider.rate
    return {alone.name for path, _ in _requests(bound) if (alone := rate.of_method(path))}


def _known(provider: Provider) -> Iterable[Budget]:
    yield from provider.rate.budgets
    for path in provider.rate.methods:
        if alone := provider.rate.of_method(path):
            yield alone


def _learn(bucket: _Bucket, budget: Budget, said: _Heard) -> None:
    """What the provider said replaces our reckoning where it leaves less."""
    bucket.limit = said.limit or bucket.limit
    told = _Bucket(bucket.limit - said.remaining, bucket.limit, said.at)
    if said.full_in is not None:  # empty until then, and no drop before
        told.level = bucket.limit * (1 + said.full_in / budget.seconds)
    told.flow(bucket.at, budget.seconds)
    bucket.level = max(bucket.level, told.level)


def _only(answer: Answer, budget: Budget) -> dict[str, str]:
    names = (budget.reset_header, "date")
    return {name: answer.headers[name] for name in names if name and name in answer.headers}


def _reset_of(budget: Budget, account: Account) -> Any:
    return account.provider.rate.model_copy(update={"retry_after": None, "reset": budget.reset_header})


def _read(connection: Connection, key: str) -> tuple[dict[str, _Bucket], datetime | None]:
    query = select(budgets.c.spent, budgets.c.asleep_until).where(budgets.c.key == key).with_for_update()
    row = connection.execute(query).first()
    return (_from_json(row.spent), row.asleep_until) if row else ({}, None)


def _write(connection: Connection, key: str, **values: Any) -> None:
    change = update(budgets).where(budgets.c.key == key).values(**values)
    if connection.execute(change).rowcount:
        return
    try:
        with connection.begin_nested():
            connection.execute(budgets.insert().values(**({"key": key, "spent": {}} | values)))
    except IntegrityError:  # another process was first
        connection.execute(change)


def _as_json(kept: Mapping[str, _Bucket]) -> dict[str, list[float]]:
    return {name: [round(one.level, 3), one.limit, one.at.timestamp()] for name, one in kept.items()}


def _from_json(spent: Mapping[str, list[float]]) -> dict[str, _Bucket]:
    return {name: _Bucket(level, limit, datetime.fromtimestamp(at, UTC)) for name, (level, limit, at) in spent.items()}
