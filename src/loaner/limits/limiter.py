"""Staying inside a provider's limits before it has to say no, for each connector and account there.

A bucket per limit flows back evenly. What a call will cost is taken in the very transaction that journals its loan:
every process that shares the store sees it, and no call pays a commit for it. What the provider says of a limit in
its answers replaces what its documents say.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

import anyio
from sqlalchemy import Connection

from loaner.catalog import BoundCall
from loaner.catalog.provider import Provider
from loaner.catalog.rate import RateLimit
from loaner.clock import Now
from loaner.errors import RateLimited, StoreUnusable
from loaner.limits import buckets
from loaner.limits.buckets import Heard
from loaner.limits.costs import costs, known, of_methods
from loaner.limits.key import LimitKey
from loaner.provider_call import Answer
from loaner.provider_call.limit_headers import retry_after, whole
from loaner.settings import LimiterSettings
from loaner.store import Store

_SAFETY = 0.01
"""Seconds more than reckoned, so that the next look finds enough."""


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
    rate_limit: str
    limit: int
    left: int
    full_in: int
    """Seconds until all of it is back."""


@dataclass
class _News:
    """What came in since an account's row was written last."""

    heard: dict[str, Heard] = field(default_factory=dict)
    owed: list[tuple[RateLimit, int]] = field(default_factory=list)

    def take(self, later: _News) -> None:
        """Have what ``later`` holds, and leave nothing there."""
        self.heard |= later.heard
        self.owed += later.owed
        later.heard, later.owed = {}, []


class Limiter:
    def __init__(self, store: Store, now: Now, settings: LimiterSettings) -> None:
        self.store = store
        self.now = now
        self.settings = settings
        self._news: dict[str, _News] = {}
        self._busy = Lock()  # calls add to the news on the event loop, and the store's thread takes from it

    async def is_low(self, account: LimitKey) -> bool:
        """Is little left of a limit on minting credentials?"""
        if not (self.settings.factor and self.settings.share_below):
            return False
        kept = await self.store.read(lambda c: buckets.read(c, account.key, self.settings.factor, to_change=False))
        mints = (kept.bucket(rate_limit, self.now()) for rate_limit in account.provider.rate.limits if rate_limit.mint)
        return any(bucket.limit - bucket.level <= bucket.limit * self.settings.share_below for bucket in mints)

    async def granted(
        self, account: LimitKey, bound: BoundCall, work: Callable[[Connection], object], *, minting: bool = True
    ) -> str | None:
        """Run ``work`` in the store together with taking what the call costs, and say whether it had to wait.

        The ladder: a credential of its own for each call; one shared by identical reads of a task, when ``minting``
        gets scarce (:mod:`loaner.lending.shared`); then a short wait; then :class:`RateLimited`, with ``work`` not
        done. What ``work`` raises passes through, and then nothing is taken.
        """
        waited = 0.0
        news = _News()
        while True:
            at = self.now()

            def both(connection: Connection, at: datetime = at) -> None:
                self.spend(connection, account, bound, at, minting=minting, news=news)
                try:
                    work(connection)
                except BaseException:
                    self._put_back(account, news)
                    raise

            try:
                # A caller who goes away here must find it either not begun or done, never in between.
                with anyio.CancelScope(shield=True):
                    await self.store.write(both)
            except StoreUnusable:
                self._put_back(account, news)
                raise
            except NothingLeft as wanting:
                waited += wanting.seconds
                if waited > self.settings.wait_seconds:
                    raise wanting.told(account.provider) from None
                await anyio.sleep(wanting.seconds)
            else:
                return "waited" if waited else None

    def spend(
        self,
        connection: Connection,
        account: LimitKey,
        bound: BoundCall,
        at: datetime,
        *,
        minting: bool = True,
        news: _News | None = None,
    ) -> None:
        """Take what the call will cost, inside the transaction. Raises :class:`NothingLeft`, taking nothing.

        The store may run this again, having thrown away what it wrote. ``news`` keeps what it took from memory for
        that case; whoever gives it puts it back when the transaction fails.
        """
        if not self.settings.factor:
            return
        news = news or _News()
        with self._busy:
            news.take(self._news.pop(account.key, _News()))
        try:
            self._spend(connection, account, bound, at, news, minting=minting)
        except BaseException:
            self._put_back(account, news)  # at once: the next call in the same batch has to know it too
            raise

    def _spend(
        self, connection: Connection, account: LimitKey, bound: BoundCall, at: datetime, news: _News, *, minting: bool
    ) -> None:
        kept = buckets.read(connection, account.key, self.settings.factor)
        if kept.asleep_until and kept.asleep_until > at:
            raise NothingLeft((kept.asleep_until - at).total_seconds() + _SAFETY, "")
        if kept.targets and (held := kept.held(bound.scope.target, at)):
            raise NothingLeft(held + _SAFETY, "")
        for rate_limit, amount in news.owed:
            bucket = kept.bucket(rate_limit, at)
            bucket.level += amount
            kept.put(bucket)
        longest, what = 0.0, ""
        for rate_limit, amount in costs(bound, minting=minting):
            bucket = kept.bucket(rate_limit, at)
            if said := news.heard.get(rate_limit.name):
                bucket.learn(said)
            if (wait := bucket.wait(amount)) > longest:
                longest, what = wait, rate_limit.name
            bucket.level += amount
            kept.put(bucket)
        if longest > 0:
            raise NothingLeft(longest + _SAFETY, what)
        kept.forget_idle({rate_limit.name for rate_limit in known(account.provider)}, at)
        buckets.write(connection, account.key, kept)

    def _put_back(self, account: LimitKey, news: _News) -> None:
        """Nothing of it was stored, so it counts from the next call on; what came in meanwhile is newer."""
        with self._busy:
            news.take(self._news.pop(account.key, _News()))
            self._news[account.key] = kept = _News()
            kept.take(news)

    def owe(self, account: LimitKey, spent: Iterable[tuple[RateLimit, int]]) -> None:
        """Note what was spent without asking: a retry, a refresh, a revocation. The next call pays for it."""
        if self.settings.factor:
            with self._busy:
                self._news.setdefault(account.key, _News()).owed.extend(spent)

    def heard(self, account: LimitKey, answer: Answer) -> None:
        """Note what an answer says of the limits; it counts from the next call on."""
        rate = account.provider.rate
        about = answer.headers.get(rate.resource_header or "", "")
        for rate_limit in rate.limits:
            remaining = whole(answer.headers.get(rate_limit.remaining_header or ""))
            if remaining is None or (rate_limit.resource and rate_limit.resource != about):
                continue
            limit = whole(answer.headers.get(rate_limit.limit_header or ""))
            # Only an empty bucket needs the moment at which it is full again; it is read on the provider's own clock.
            full_in = (
                None if remaining else float(retry_after({**_only(answer, rate_limit)}, _reset_of(rate_limit, account)))
            )
            said = Heard(limit or None, remaining, full_in, self.now())
            with self._busy:
                self._news.setdefault(account.key, _News()).heard[rate_limit.name] = said

    @asynccontextmanager
    async def obeying(self, account: LimitKey, bound: BoundCall) -> AsyncIterator[None]:
        """Where a provider asks to wait inside the block, it is not asked again before."""
        try:
            yield
        except RateLimited as asked:
            await self.obey(account, bound, asked)
            raise

    async def obey(self, account: LimitKey, bound: BoundCall, asked: RateLimited) -> None:
        """The provider asked to wait: nobody asks it again before, from no process."""
        if asked.own or not self.settings.factor:
            return
        at = self.now()
        until = at + timedelta(seconds=asked.retry_after)
        alone = () if asked.target else of_methods(bound)

        def work(connection: Connection) -> None:
            kept = buckets.read(connection, account.key, self.settings.factor)
            for rate_limit in alone:  # a limit of one method: the others still work
                bucket = kept.bucket(rate_limit, at)
                bucket.empty_for(asked.retry_after)
                kept.put(bucket)
            if asked.target:
                kept.hold(asked.target, until)
            elif not alone:
                kept.asleep_until = max(until, kept.asleep_until or until)
            buckets.write(connection, account.key, kept)

        await self.store.write(work)

    async def left(self, providers: Mapping[str, Provider]) -> list[Left]:
        """How every limit stands that was ever touched."""
        if not self.settings.factor:
            return []
        rows = await self.store.read(lambda c: buckets.read_all(c, self.settings.factor))
        return [left for key, kept in rows.items() for left in self._left(key, kept, providers)]

    def _left(self, key: str, kept: buckets.StoredBuckets, providers: Mapping[str, Provider]) -> Iterator[Left]:
        name, connector, account = key.split(" ", 2)
        at, provider = self.now(), providers.get(name)
        asleep = max(0.0, (kept.asleep_until - at).total_seconds()) if kept.asleep_until else 0.0
        for rate_limit in known(provider) if provider else ():
            if rate_limit.name in kept.spent:
                bucket = kept.bucket(rate_limit, at)
                left = 0.0 if asleep else max(0.0, bucket.limit - bucket.level)
                full_in = max(asleep, bucket.level * rate_limit.seconds / bucket.limit)
                limit = int(bucket.limit)
                yield Left(name, connector, account, rate_limit.name, limit, math.floor(left), math.ceil(full_in))


def _only(answer: Answer, rate_limit: RateLimit) -> dict[str, str]:
    names = (rate_limit.reset_header, "date")
    return {name: answer.headers[name] for name in names if name and name in answer.headers}


def _reset_of(rate_limit: RateLimit, account: LimitKey) -> Any:
    return account.provider.rate.model_copy(update={"retry_after": None, "reset": rate_limit.reset_header})
