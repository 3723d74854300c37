"""The rung between a key for each call and waiting for one: when credentials run low, reads of one task share a loan.

Only the same tool on the same resource with the same permissions, for one person, agent, environment, connector,
grant and task; so a shared key can do nothing that each of its calls was not agreed to. From its mint on it may be
taken for a few seconds; then, or when its task ends, a block goes up or a call on it fails, it is given back, whether
anybody came or not. In the journal it is an open loan all the while.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

import anyio
import structlog

from loaner.blocks.blocks import Party
from loaner.blocks.calls_in_flight import CallsInFlight
from loaner.catalog import BoundCall
from loaner.clock import Now
from loaner.errors import LoanerError
from loaner.grants import loan_rows
from loaner.lending import journal, shared_calls
from loaner.lending.journal import SHARED
from loaner.lending.loan import Borrower, Loan, MintRequest, OpenRecord, handback
from loaner.lending.revocations import Revocations
from loaner.limits.limiter import Limiter
from loaner.scope import Limit, Scope

log = structlog.get_logger(__name__)


class Lasting(Protocol):
    """Waits until a task is over, wherever it was ended, and no longer than so many seconds."""

    async def __call__(self, task_id: str, seconds: float) -> None: ...


@dataclass(frozen=True)
class _Key:
    """What has to be the same for one loan to serve two calls. The grant's version is looked at when it is taken."""

    party: Party
    task: str
    tool: str
    permissions: frozenset[str]
    resource: str
    known: str
    """The id of the resource; empty where that is not known."""
    account: str


@dataclass(eq=False)
class _Share:
    """One loan that several calls may use, or the place of one that is being minted."""

    key: _Key
    lent: tuple[Loan, MintRequest] | None = None
    open: bool = True
    users: int = 0
    record: dict[str, Any] = field(default_factory=dict)
    """Of the call that it was minted for."""
    decided: anyio.Event = field(default_factory=anyio.Event)
    """It was minted, or it was not."""
    unused: anyio.Event = field(default_factory=anyio.Event)
    waiting: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class SharedPlace:
    """One call's place in a shared loan."""

    def __init__(self, sharing: Sharing, share: _Share, row_id: str | None = None) -> None:
        self._sharing = sharing
        self._share = share
        self._row_id = row_id
        if share.users == 0:
            share.unused = anyio.Event()
        share.users += 1

    @property
    def taken(self) -> tuple[Loan, MintRequest, str] | None:
        """The loan that was there already; ``None`` where it is this call's to have one minted."""
        return (*self._share.lent, self._row_id) if self._share.lent and self._row_id else None

    @contextmanager
    def filling(self) -> Iterator[Callable[[Loan, MintRequest], None]]:
        """The mint. Those who wait for it go on when it is there; without it, each for itself."""
        share = self._share

        def fill(loan: Loan, ask: MintRequest) -> None:
            self._sharing.hold(share, loan, ask)

        try:
            yield fill
        finally:
            if share.lent is None:
                self._sharing.close(share)
            share.decided.set()

    async def leave(self, record: OpenRecord) -> None:
        """The call is over. If it failed, nobody else takes the loan: it may be what was wrong."""
        share, body = self._share, record.body()
        if body["outcome"] != "ok":
            self._sharing.close(share)
        try:
            if self._row_id:
                await self._sharing.note(self._row_id, body)
            elif share.lent:
                share.record = body
                await self._sharing.note(share.lent[0].id, body)
        finally:
            self.vacate()

    def vacate(self) -> None:
        self._share.users -= 1
        if not self._share.users:
            self._share.unused.set()


class Sharing:
    def __init__(
        self, limiter: Limiter, revocations: Revocations, running: CallsInFlight, lasting: Lasting, now: Now
    ) -> None:
        self.limiter = limiter
        self.revocations = revocations
        self.running = running
        self.lasting = lasting
        self.now = now
        self._shares: dict[_Key, _Share] = {}

    async def place(self, borrower: Borrower, bound: BoundCall, scope: Scope, record: OpenRecord) -> SharedPlace | None:
        """This call's place in a shared loan; ``None`` where it gets a key of its own, as nearly every call does.

        Raises what stands in the way of the call: :class:`RateLimited`, :class:`PolicyDenied`, :class:`GrantBroken`.
        """
        operation = bound.operation
        # A write's key is its own: what it did must never be looked for among the uses of several calls.
        if borrower.task is None or operation.effect != "read" or operation.provider.lending.style == "pass_through":
            return None
        if scope.alternatives:
            return None  # which permissions its key will have is known only once it is minted
        about = (scope.permissions, scope.resource, scope.resource_id, scope.account)
        key = _Key(borrower.party, borrower.task, operation.tool, *about)
        while True:
            share = self._shares.get(key)
            if share is None:
                if not await self.limiter.is_low(borrower.account):
                    return None
                share = self._shares.setdefault(key, made := _Share(key))
                if share is made:
                    return SharedPlace(self, share)
            await share.decided.wait()
            if share.open and share.lent and (place := await self._joined(share, *share.lent, borrower, bound, record)):
                return place

    async def _joined(
        self, share: _Share, loan: Loan, ask: MintRequest, borrower: Borrower, bound: BoundCall, record: OpenRecord
    ) -> SharedPlace | None:
        """A place in a loan that is out, written down; ``None`` when it cannot be taken any more."""
        place = SharedPlace(self, share, row_id := secrets.token_hex(16))
        told = copy.copy(record)  # what it would say; it is said only once it is true
        told.lent(loan, rung=SHARED)
        add = partial(
            shared_calls.add,
            row_id=row_id,
            loan=loan,
            ask=ask,
            caller=borrower.caller,
            call_id=borrower.call_id,
            record=told.body(),
        )
        try:
            await self.limiter.granted(borrower.account, bound, partial(add, at=self.now()), minting=False)
        except BaseException as failure:
            place.vacate()
            if isinstance(failure, journal.TokenMoved):
                self.close(share)
                return None
            raise
        record.lent(loan, rung=SHARED)
        record.handed_over = True
        return place

    def close(self, share: _Share) -> None:
        """Nobody else takes it; it goes back when the calls that use it are over."""
        share.open = False
        if self._shares.get(share.key) is share:  # and not one that came after it
            del self._shares[share.key]
        share.waiting.cancel()

    def hold(self, share: _Share, loan: Loan, ask: MintRequest) -> None:
        """It is out, and goes back by itself."""
        share.lent = loan, ask
        self.revocations.beside(partial(self._held, share, loan, ask))

    async def _held(self, share: _Share, loan: Loan, ask: MintRequest) -> None:
        try:
            with share.waiting, suppress(LoanerError), self.running.call(share.key.party, changes=False):
                await self.lasting(share.key.task, self.limiter.settings.share_seconds)
        finally:
            self.close(share)
            # The calls on it end by themselves, or by what ended this; none takes longer than that.
            with anyio.move_on_after(loan_rows.CALL_DEADLINE.total_seconds(), shield=True):
                while share.users:
                    await share.unused.wait()
            self.revocations.begin(handback(loan.id, loan.credential, ask, share.record))

    async def note(self, row_id: str, record: dict[str, Any]) -> None:
        """What a call did is durable while the loan stays out; where that fails, its record says less after a crash."""
        try:
            await self.limiter.store.write(lambda c: journal.noted(c, row_id, record=record))
        except LoanerError as failure:
            log.warning("how a call on a shared loan ended could not be written down", reason=failure.log)


def limits_when_shared(limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
    """What the records of a shared loan can truthfully say."""
    told = "such reads of one task, for some seconds"
    return tuple(replace(limit, value=told) if limit.what == "call" else limit for limit in limits)
