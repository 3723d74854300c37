"""Whose an account at a provider is here: one person's, unless a connector says that it is shared."""

from __future__ import annotations

import hashlib

from sqlalchemy import ColumnElement, Connection, select, text

from loaner.catalog.provider import Provider
from loaner.errors import LoanerError
from loaner.store.tables import grants


class DifferentAccount(LoanerError):
    """Another account at the provider than the one this person linked before."""

    code = "different_account"


class SomebodyElses(DifferentAccount):
    """An account that another person has connected here: a device code that was mailed links it to whoever asked."""

    code = "account_of_another"

    def __init__(self, title: str, account_name: str, owner: str) -> None:
        super().__init__(
            f"the account {account_name} at {title} is another person's here, who connected it before.",
            do="Sign in there with your own account. Whoever owns that one was told.",
        )
        self.owner = owner
        """``Subject.key`` of whoever connected it."""


def at(provider: Provider) -> ColumnElement[bool]:
    """Grants of where the provider is now, or of which nobody knows: elsewhere an account id is another account's."""
    return grants.c.place.is_(None) | (grants.c.place == provider.place)


def another(connection: Connection, provider: Provider, account_id: str, subject: str) -> str | None:
    """Who else has this account here, in whatever environment and through whichever connector."""
    others = select(grants.c.subject).where(
        grants.c.provider == provider.name,
        at(provider),
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
