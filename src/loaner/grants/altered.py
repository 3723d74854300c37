"""Grants whose row was changed in the table are noticed by a server's own look, and not only once one is lent on."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any, NoReturn

import anyio.to_thread
import structlog
from sqlalchemy import Row, select

from loaner.background import every
from loaner.grants import endings
from loaner.grants.grants import Grants, GrantUnreadable
from loaner.store.tables import grants

log = structlog.get_logger(__name__)
LOOK_EVERY = timedelta(hours=1)


async def keep(kept: Grants) -> NoReturn:
    """Look at the start, and every :data:`LOOK_EVERY`. Runs until it is cancelled."""
    await every(LOOK_EVERY.total_seconds(), partial(retire, kept), what="looking for altered grants")


async def retire(kept: Grants) -> list[str]:
    """Lend no more on grants that do not open as they were sealed; their ids. In whatever environment: that may be what
    was changed. One whose key is not here is left as it is."""
    found = select(grants).where(grants.c.state == "active")
    retired = []
    for row in await kept.store.scan(lambda connection: connection.execute(found).all()):
        why = await anyio.to_thread.run_sync(_altered, kept, row)
        if not why:
            continue
        work = partial(endings.retire, grant_id=row.id, reason=why, at=kept.now(), version=row.version)
        if await kept.store.write(work):
            retired.append(row.id)
            log.error("a grant was altered behind loaner's back and is lent on no more", grant=row.id)
    return retired


def _altered(kept: Grants, row: Row[Any]) -> str:
    """Why it does not open; empty where it does, or where its key is not here."""
    try:
        kept.opened(row)
    except GrantUnreadable as failure:
        return failure.log if failure.altered else ""
    return ""
