"""The rows of loans, as far as the life of a grant depends on them: which are open, and which use its token now."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from loaner.grants import pending_pairs
from loaner.store.tables import loans

OPEN = pending_pairs.OPEN
CALL_DEADLINE = timedelta(minutes=2)
"""No call takes longer; after it, another process may take a loan's return over."""
CLOCK_SKEW = timedelta(minutes=15)
"""How far the clocks of two machines, or of a provider and us, may be apart."""


def in_use(
    connection: Connection, grant_id: str, *, at: datetime, pass_through: bool, before: datetime | None = None
) -> int:
    """Calls that need the grant's present access token to stay alive: until they end, or else could be minted.

    ``before`` counts only the calls that began earlier, on a token of an earlier version.
    """
    states = ("intent", "lent") if pass_through else ("intent",)
    running = [
        loans.c.grant_id == grant_id,
        loans.c.state.in_(states),
        loans.c.style != pending_pairs.PAIR,
        loans.c.intent_at > at - CALL_DEADLINE,
    ]
    if before is not None:
        running.append(loans.c.intent_at < before)
    return connection.execute(select(func.count()).select_from(loans).where(*running)).scalar_one()
