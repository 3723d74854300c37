"""Renewed tokens that the store could not take: the only ones there are, so they are kept until it can.

A refresh token works once. Thrown away, the pair that came for it would take the person's grant along.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import anyio
import structlog
from sqlalchemy import Connection

from loaner.background import every
from loaner.errors import LoanerError, StoreUnusable
from loaner.grants.grants import Grant
from loaner.store import Store

log = structlog.get_logger(__name__)
TRY_EVERY = 1.0
"""Seconds between two attempts to write them down."""


class EndUnused(Protocol):
    """Ends, at its provider, a grant that nobody is going to use."""

    async def __call__(self, grant: Grant) -> None: ...


class UnsavedTokens:
    """At most one write for each grant, and it holds the tokens. They are used only once it is done."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._waiting: dict[str, Callable[[Connection], Grant]] = {}
        self._some = anyio.Event()
        self._turn = anyio.Lock()

    async def write(self, grant_id: str, work: Callable[[Connection], Grant]) -> Grant:
        """Do ``work``, now or as soon as the store can. Raises :class:`StoreUnusable` when that is later."""
        try:
            return await self.store.write(work)
        except StoreUnusable:
            self._waiting[grant_id] = work
            self._some.set()
            raise

    async def settle(self, grant_id: str) -> None:
        """Do what still waits for this grant. Raises :class:`StoreUnusable` when it still has to."""
        if grant_id not in self._waiting:
            return
        async with self._turn:
            if work := self._waiting.get(grant_id):
                try:
                    await self.store.write(work)
                except StoreUnusable:
                    raise
                except LoanerError as failure:  # the grant was ended meanwhile; the pair stays listed
                    log.warning("renewed tokens were not kept", grant=grant_id, reason=failure.log or failure.cause)
                self._waiting.pop(grant_id, None)

    async def run(self) -> None:
        """Try again until it is done, beside the calls; a last time when it is cancelled."""
        try:
            await every(self._until_due, self._settle_all, what="writing renewed tokens down", at_once=False)
        finally:
            with anyio.CancelScope(shield=True):
                await self._settle_all()

    async def _until_due(self) -> None:
        if not self._waiting:
            self._some = anyio.Event()
            await self._some.wait()
        await anyio.sleep(TRY_EVERY)

    async def _settle_all(self) -> None:
        for grant_id in list(self._waiting):
            try:
                await self.settle(grant_id)
            except StoreUnusable as failure:
                log.warning("renewed tokens wait for the store", grant=grant_id, reason=failure.log)
            except Exception:  # whatever one does, the others are the only ones there are as well
                log.exception("renewed tokens could not be written down", grant=grant_id)
