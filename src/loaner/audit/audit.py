"""The record of a call, open while it runs and closed whichever way it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import anyio
import structlog

from loaner.audit import read, spans, tree
from loaner.audit.chain import Record, append
from loaner.audit.note import Signer
from loaner.audit.record import Draft, RecordedCall
from loaner.audit.tree import Signed
from loaner.background import every
from loaner.clock import Now
from loaner.errors import ConnectorOutdated, LoanerError, RecordUnwritable, StoreUnusable
from loaner.identity.caller import Caller
from loaner.shutdown import Shutdown
from loaner.store import Store

_log = structlog.get_logger(__name__)
SIGN_EVERY = 60.0
"""Seconds between two checkpoints of a server; nothing is signed where no record came."""


class Audit:
    """Opens and closes records, and finds them again."""

    def __init__(self, store: Store, now: Now, shutdown: Shutdown | None = None) -> None:
        self._store = store
        self._now = now
        self._shutdown = shutdown or Shutdown()

    @asynccontextmanager
    async def opened(self, call: RecordedCall, caller: Caller) -> AsyncIterator[Draft]:
        """A draft for one call, closed on every way out of the block: success, error, cancellation, the server's end.

        Once ``draft.handed_over`` is set, the lender has journalled it and closes it together with the loan; then
        only what the draft says is completed here. Raises :class:`RecordUnwritable` when a call without a loan
        ended well but cannot be recorded; a failure stays the failure that it was, and did nothing.
        """
        draft = Draft.begun(call, caller, self._now)
        with spans.around(draft):
            try:
                with self._shutdown.call(draft):  # what it cuts is told and recorded in the same words
                    yield draft
            except BaseException as failure:
                if draft.outcome != "ok":
                    draft.failed(failure)
                if isinstance(failure, LoanerError) and failure.log:
                    tell = _log.error if isinstance(failure, ConnectorOutdated) else _log.info
                    tell("call_failed", call=draft.id, tool=draft.tool, code=failure.code, reason=failure.log)
                try:
                    await self._close(draft)
                except RecordUnwritable as lost:
                    _log.error("record_unwritable", call=draft.id, reason=lost.log)
                raise
            if draft.code == "interrupted":
                draft.succeeded()
            await self._close(draft)

    async def _close(self, draft: Draft) -> None:
        if draft.handed_over:
            return
        at = self._now()
        # Shielded: a client that goes away must not take the record of its call along.
        with anyio.CancelScope(shield=True):
            try:
                await self._store.write(lambda connection: append(connection, draft.body(), at))
            except (StoreUnusable, ValueError) as lost:
                raise RecordUnwritable(
                    "the call cannot be recorded, so its result is withheld.",
                    do="The operator has to make loaner's store writable again.",
                    log=getattr(lost, "log", "") or type(lost).__name__,
                ) from None

    async def checkpoint(self, signer: Signer) -> Signed:
        """Bring the tree up to date a batch at a time, then sign it. Raises :class:`RecordsAltered`."""
        while await self._store.write(tree.extend):
            pass
        at = self._now()
        return await self._store.write(lambda connection: tree.sign(connection, signer, at))

    async def keep_signing(self, signer: Callable[[], Signer]) -> None:
        """Sign what has come every :data:`SIGN_EVERY` seconds, beside the calls. Runs until it is cancelled.

        Each checkpoint goes to the log too: a copy that is kept where the store is not shows that records were cut off.
        """
        size = 0

        async def sign() -> None:
            nonlocal size
            try:
                signed = await self.checkpoint(signer())
            except LoanerError as failure:
                # Never signed over; `loaner audit verify` tells where. The calls go on, and the operator is told.
                _log.error("checkpoint_not_signed", reason=failure.log or failure.cause)
            else:
                if signed.size != size:
                    size = signed.size
                    _log.info("checkpoint", size=size, note=signed.note)

        await every(SIGN_EVERY, sign, what="signing a checkpoint", at_once=False)

    async def tail(self, count: int = 20, *, after_seq: int | None = None, subject: str | None = None) -> list[Record]:
        """See :func:`loaner.audit.read.tail`."""
        return await self._store.scan(partial(read.tail, count=count, after_seq=after_seq, subject=subject))

    async def show(self, which: int | str, *, subject: str | None = None) -> Record | None:
        """See :func:`loaner.audit.read.show`."""
        return await self._store.read(partial(read.show, which=which, subject=subject))
