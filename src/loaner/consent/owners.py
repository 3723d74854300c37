"""Whose an account at a provider is here: one person's, unless a connector says that it is shared."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, select, text

from loaner.catalog.provider import Provider
from loaner.store.tables import grants


def another(connection: Connection, provider: Provider, account_id: str, subject: str) -> str | None:
    """Who else has this account here, in whatever environment and through whichever connector."""
    others = select(grants.c.subject).where(
        grants.c.provider == provider.name,
        grants.c.account_id == account_id,
        grants.c.subject != subject,
        grants.c.state.in_(("active", "disabled")),  # what is only being ended is nobody's
    )
    return connection.execute(others).scalars().first()


def one_at_a_time(connection: Connection, account: str) -> None:
    """Two people who link the same account at once see each other. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        lock = int.from_bytes(hashlib.sha256(account.encode()).digest()[:8], signed=True)
        connection.execute(text("SELECT pg_advisory_xact_lock(:account)"), {"account": lock})
