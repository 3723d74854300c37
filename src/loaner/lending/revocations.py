"""Giving back: beside the answer to the agent, retried across restarts until the provider confirms it.

A loan leaves this room in one of two ways only: the provider confirmed that the credential is dead, or it has
lived past its latest possible expiry. Until then ``open_loans`` lists it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Protocol

import anyio
import anyio.abc
import structlog
from sqlalchemy import Connection

from loaner.background import every
from loaner.blocks import blocks
from loaner.blocks.blocks import Block
from loaner.blocks.calls_in_flight import LOOK_EVERY
from loaner.catalog.provider import Provider
from loaner.clock import Now
from loaner.connectors import Connectors, OtherApp
from loaner.errors import LoanerError, StoreUnusable
from loaner.failpoints import reached
from loaner.grants import loan_rows
from loaner.lending import journal, shared_calls
from loaner.lending.journal import OpenLoan
from loaner.lending.loan import CloseRecord, NotRevoked, Revocation, Style
from loaner.limits.costs import unasked
from loaner.limits.key import LimitKey, account_of
from loaner.limits.limiter import Limiter
from loaner.secret import Secret
from loaner.store import Store, Unsealable

log = structlog.get_logger(__name__)
SWEEP_EVERY = 5.0
"""Seconds between two looks for loans that nobody is returning."""
_UNSTORED_EVERY = 0.5
"""The same while this process alone knows some of them: nobody else can end those."""
DRAIN_SECONDS = 10.0
_AT_ONCE = 8
"""Loans that one sweep gives back at the same time: a provider that hangs must not hold up the others."""
EXPIRED = "expired by itself"


class Ending(Protocol):
    """How the journal marks a loan that is over."""

    def __call__(self, connection: Connection, loan_id: str, *, how: str, at: datetime) -> None: ...


class Revocations:
    """Ends loans, in the background of one process. Use as ``async with``: leaving it waits for what is under way."""

    def __init__(
        self,
        store: Store,
        styles: Mapping[str, Style],
        providers: Mapping[str, Provider],
        connectors: Connectors,
        close_record: CloseRecord,
        environment: str,
        now: Now,
        limiter: Limiter,
    ) -> None:
        self.store = store
        self.styles = styles
        self.providers = providers
        self.connectors = connectors
        self.close_record = close_record
        self.environment = environment
        self.now = now
        self.limiter = limiter
        self._tasks: anyio.abc.TaskGroup | None = None
        self._busy: set[str] = set()
        self._in_use: set[str] = set()
        self._unstored: dict[str, Secret] = {}
        self._alone = anyio.Event()
        """Set once this process alone knows some of them."""
        self._standing: list[Block] | None = None
        self._idle = anyio.Event()

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; then finish what is under way, for at most :data:`DRAIN_SECONDS`."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            task_status.started()
            try:
                await every(self._until_due, self.sweep, what="revoking what was left open")
            finally:
                with anyio.CancelScope(shield=True), anyio.move_on_after(DRAIN_SECONDS):
                    await self.settled()

    async def _until_due(self) -> None:
        """Sleep until the next look: sooner for what this process alone knows, and at once when something is stopped.

        Whoever stopped it, in whatever process, waits for it: nobody else can end it.
        """
        if not self._unstored:
            self._standing, self._alone = None, anyio.Event()
            with anyio.move_on_after(SWEEP_EVERY):
                await self._alone.wait()
        if self._unstored:
            with anyio.move_on_after(_UNSTORED_EVERY):
                while not await self._is_stopped():  # noqa: ASYNC110 - another process is no event of ours
                    await anyio.sleep(LOOK_EVERY)

    async def _is_stopped(self) -> bool:
        """Has anything been stopped, or resumed, since the last look?"""
        try:
            standing, before = await self.store.read(blocks.listed), self._standing
        except LoanerError:  # the next sweep says so
            return False
        except Exception:  # a damaged row stops no sweep
            log.exception("the blocks could not be read")
            return False
        self._standing = standing
        return before is not None and standing != before

    async def settled(self) -> None:
        """Wait until nothing is being given back."""
        while self._busy:
            await self._idle.wait()

    def use(self, loan_id: str) -> None:
        """A call of this process is on: whatever the clock says, nobody gives its credential back meanwhile."""
        self._in_use.add(loan_id)

    def unused(self, loan_id: str) -> None:
        self._in_use.discard(loan_id)

    def begin(self, loan: Revocation) -> None:
        """Give a loan back beside whatever comes next."""
        self._in_use.discard(loan.loan_id)
        self._busy.add(loan.loan_id)
        self.beside(partial(self._end, loan))

    def beside(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start something that ends in a loan's return, and is waited for at the end."""
        if self._tasks is None:
            raise RuntimeError("nobody is running the returns")
        self._tasks.start_soon(work)

    async def not_lent(self, loan_id: str, record: dict[str, Any]) -> None:
        """The provider certainly minted nothing: close the loan and its record."""
        self._in_use.discard(loan_id)
        await self._close(loan_id, record, how="never lent", confirmed=True, end=journal.never_lent)

    async def give_up(self, loan_id: str, record: dict[str, Any], reason: str) -> None:
        """A credential may exist that was never seen: list it until it must have expired."""
        self._in_use.discard(loan_id)
        await self._list(loan_id, record, reason)

    async def end_now(self, loan_id: str) -> None:
        """Give back a loan that was stopped, whoever holds it and however often it was tried."""
        for loan in await self.store.read(journal.open_loans):
            if loan.id == loan_id and loan_id not in self._busy:
                self._busy.add(loan_id)
                await self._take_over(loan, self.now(), anyio.CapacityLimiter(1))

    async def forget(self, place: str, *, how: str) -> None:
        """Close the loans of a place that is no more: nothing is left there to end."""
        for loan in await self.store.read(journal.open_loans):
            _, its_place = await self.store.read(partial(account_of, loan_id=loan.id))
            if its_place == place:
                await self._close(loan.id, dict(loan.record), how=how, confirmed=True, end=journal.returned)

    async def sweep(self) -> int:
        """Take over the loans that a crash, or a provider that was down, left open. Returns how many."""
        at, busy = self.now(), self._busy | self._in_use
        try:
            known = set(self._unstored) - busy
            if not known and not await self.store.read(lambda c: journal.anything_to_claim(c, self.environment, at=at)):
                return 0
            due = await self.store.write(
                lambda c: journal.claim_due(c, self.environment, at=at, busy=busy, known=known)
            )
        except LoanerError as failure:
            log.warning("the sweeper could not read the journal", reason=failure.log)
            return 0
        self._busy |= {loan.id for loan in due}
        limit = anyio.CapacityLimiter(_AT_ONCE)
        async with anyio.create_task_group() as tasks:
            for loan in due:
                tasks.start_soon(self._take_over, loan, at, limit)
        return len(due)

    async def _take_over(self, loan: OpenLoan, at: datetime, limit: anyio.CapacityLimiter) -> None:
        """See to one loan. Nothing that is wrong with it may keep the others from being seen to."""
        try:
            async with limit:
                await self._see_to(loan, at)
        except LoanerError as failure:
            log.warning("a loan could not be seen to", loan=loan.id, reason=failure.log or failure.cause)
        except Exception:
            log.exception("a loan could not be seen to", loan=loan.id)
        finally:
            self._done(loan.id)

    async def _see_to(self, loan: OpenLoan, at: datetime) -> None:
        record = dict(loan.record)
        kept = await self._credential(loan)
        if kept is not None:
            account_id, place = await self.store.read(lambda c: account_of(c, loan.id))
            mine = Revocation(
                loan.id,
                kept,
                loan.style,
                loan.provider,
                loan.connector,
                loan.client_id,
                record,
                loan.attempts,
                account_id,
            )
            past, elsewhere = at >= loan.latest_expiry + loan_rows.CLOCK_SKEW, self._elsewhere(loan, place)
            if elsewhere is None:
                await self._end(mine, past=past)
            elif past:
                await self._close(loan.id, record, how=EXPIRED, confirmed=False, end=journal.expired)
            else:
                await self._put_off(mine, elsewhere)
        elif loan.style == "pass_through":
            await self._close(loan.id, record, how="dropped: held by loaner", confirmed=True, end=journal.returned)
        elif at >= loan.latest_expiry + loan_rows.CLOCK_SKEW:
            await self._close(loan.id, record, how=EXPIRED, confirmed=False, end=journal.expired)
        else:
            # Minted or not, nobody here knows the credential: it stays listed until it must have expired.
            await self._list(loan.id, record, "the credential is not known here")

    def _elsewhere(self, loan: OpenLoan, place: str | None) -> str | None:
        """Why it is not sent where its provider is now, with the app that its connector is now."""
        provider = self.providers.get(loan.provider)
        if place is not None and (provider is None or place != provider.place):
            return f"{loan.provider} is not at {place} any more, so it was not sent there"
        try:
            self.connectors.refuse_other_app(loan.connector, loan.client_id, "the credential")
        except OtherApp as other:
            return f"{other.cause} {other.do}"
        return None

    async def _credential(self, loan: OpenLoan) -> Secret | None:
        try:
            kept = await self.store.read(lambda c: journal.credential(c, self.store, loan.id))
        except Unsealable:
            kept = None
        return kept or self._unstored.get(loan.id)

    async def _end(self, loan: Revocation, *, past: bool = False) -> None:
        """One attempt. Shielded: a shutdown waits for it, and nothing that happens to the caller reaches it.

        ``past``: it has outlived every expiry, so that without a confirmation it is over all the same.
        """
        try:
            with anyio.CancelScope(shield=True):
                try:
                    reached("revoke.before")
                    self._count(loan)
                    how = await self.styles[loan.style].give_back(
                        loan, self.providers[loan.provider], self.connectors.named(loan.connector)
                    )
                    reached("revoke.answered")
                except (NotRevoked, LoanerError) as failure:
                    if past:
                        await self._close(loan.loan_id, loan.record, how=EXPIRED, confirmed=False, end=journal.expired)
                    else:
                        await self._put_off(loan, str(failure))
                else:
                    await self._close(loan.loan_id, loan.record, how=how, confirmed=True, end=journal.returned)
            self._unstored.pop(loan.loan_id, None)
        except StoreUnusable as failure:
            # The journal may not hold the credential either, so this process keeps it until it can be written down.
            self._keep(loan)
            log.warning("giving back could not be recorded; tried again", loan=loan.loan_id, reason=failure.log)
        except Exception:
            self._keep(loan)
            log.exception("giving back failed; the sweeper tries again", loan=loan.loan_id)
        finally:
            self._done(loan.loan_id)

    def _keep(self, loan: Revocation) -> None:
        """Until it is ended, or can be written down: the row does not know it, so nobody else does."""
        self._unstored[loan.loan_id] = loan.credential
        self._alone.set()

    def _count(self, loan: Revocation) -> None:
        """Ending a key is never held back. The first attempt was paid for with the mint; the others are owed."""
        if loan.attempts and loan.account_id:
            provider = self.providers[loan.provider]
            account = LimitKey.of(provider, loan.connector, loan.account_id)
            self.limiter.owe(account, unasked(provider, "give_back"))

    def _done(self, loan_id: str) -> None:
        self._busy.discard(loan_id)
        if not self._busy:
            self._idle.set()
            self._idle = anyio.Event()

    async def _close(self, loan_id: str, record: dict[str, Any], *, how: str, confirmed: bool, end: Ending) -> None:
        at = self.now()

        def work(connection: Connection) -> None:
            for row_id, its in _together(connection, loan_id, record):
                end(connection, row_id, how=how, at=at)
                self._recorded(connection, its, how=how, confirmed=confirmed, at=at)

        await self.store.write(work)
        reached("return.written")

    async def _put_off(self, loan: Revocation, reason: str) -> None:
        at = self.now()

        def work(connection: Connection) -> None:
            if loan.style != "pass_through":  # from here on the row is what remembers it
                journal.keep(connection, self.store, loan.loan_id, loan.credential)
            for row_id, its in _together(connection, loan.loan_id, loan.record):
                journal.not_returned(connection, row_id, attempts=loan.attempts + 1, reason=reason, at=at)
                self._recorded(connection, its, how=f"not confirmed: {reason}", confirmed=False, at=at)

        await self.store.write(work)

    async def _list(self, loan_id: str, record: dict[str, Any], reason: str) -> None:
        at = self.now()

        def work(connection: Connection) -> None:
            for row_id, its in _together(connection, loan_id, record):
                journal.unknown(connection, row_id, reason=reason)
                self._recorded(connection, its, how=f"not confirmed: {reason}", confirmed=False, at=at)

        await self.store.write(work)

    def _recorded(
        self, connection: Connection, record: dict[str, Any], *, how: str, confirmed: bool, at: datetime
    ) -> None:
        if record:  # a pair that a refresh lost belongs to no call
            self.close_record(connection, record, how=how, confirmed=confirmed, at=at)


def _together(connection: Connection, loan_id: str, record: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The loan's row and, where other calls used it too, theirs: their records close with it."""
    others = shared_calls.of(connection, loan_id) if record.get("rung") == journal.SHARED else []
    return [(loan_id, record), *others]
