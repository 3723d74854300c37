"""A grant that nobody uses is ended: what is not there cannot be stolen.

Here it is only blocked, so that nothing more is lent on it; whoever finishes the grants in state ``revoking`` then ends
it at the provider, and the record of that gives the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Row, func, select, update

from loaner.background import every
from loaner.catalog.provider import Provider
from loaner.clock import Now
from loaner.connectors import Connectors
from loaner.errors import LoanerError
from loaner.grants.grants import grant_of
from loaner.grants.refresh import Refresher
from loaner.store import Store
from loaner.store.tables import grants

log = structlog.get_logger(__name__)
LOOK_EVERY = 3600.0
"""Seconds between two looks."""


class Idle:
    """Ends the grants of one environment that were not used for ``days``."""

    def __init__(
        self,
        store: Store,
        refresher: Refresher,
        providers: Mapping[str, Provider],
        connectors: Connectors,
        *,
        environment: str,
        days: int,
        now: Now,
    ) -> None:
        self.store = store
        self.refresher = refresher
        self.providers = providers
        self.connectors = connectors
        self.environment = environment
        self.days = days
        self.now = now

    async def run(self) -> None:
        """Look until cancelled."""
        await every(LOOK_EVERY, self.block, what="ending idle grants")

    async def block(self) -> int:
        """Lend nothing more on what was idle for too long; how many grants that were."""
        last = func.coalesce(grants.c.used_at, grants.c.created_at)
        idle: Any = (
            (grants.c.environment == self.environment)
            & (grants.c.state == "active")
            & (last < self.now() - timedelta(days=self.days))
        )

        query = select(grants).where(idle)
        # One of elsewhere cannot be ended from here, and may be in use again once the settings are as they were.
        rows = [row for row in await self.store.read(lambda c: c.execute(query).all()) if self._is_here(row)]
        for row in rows:
            # Its access token has long expired, and a provider ends a grant for a live one only.
            try:
                await self.refresher.fresh(row.id, self.providers[row.provider], self.connectors.named(row.connector))
            except (LoanerError, KeyError):
                continue
            except Exception:  # whatever is wrong with one, it is blocked with the others
                log.exception("an idle grant could not be renewed", grant=row.id)

        def work(connection: Connection) -> int:
            mine = idle & grants.c.id.in_([row.id for row in rows])
            gone = update(grants).where(mine).values(state="revoking", reason=f"not used for {self.days} days")
            return connection.execute(gone).rowcount

        return await self.store.write(work) if rows else 0

    def _is_here(self, row: Row[Any]) -> bool:
        return self.refresher.grants.is_here(grant_of(row))
