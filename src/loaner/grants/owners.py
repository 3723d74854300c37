"""Whose an account at a provider is here: one person's, unless a connector says that it is shared."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Connection, select, text

from loaner.catalog.provider import Provider
from loaner.errors import LoanerError
from loaner.store.tables import grants

if TYPE_CHECKING:
    from loaner.grants.grants import Grant, Granted
    from loaner.settings import Connector

_USED = ("active", "disabled")
"""What is only being ended is nobody's."""


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


def refuse_others(connection: Connection, grant: Grant, connector: Connector, provider: Provider) -> None:
    """Refuse a grant for an account that is another person's, or another than this person has connected there.

    Raises :class:`DifferentAccount`.
    """
    name, title = grant.account_name, provider.title
    one_at_a_time(connection, f"{grant.provider} {grant.account_id}")
    linked = connection.execute(
        select(grants.c.account_id, grants.c.account_name).where(
            at(provider),
            grants.c.subject == grant.subject,
            grants.c.connector == grant.connector,
            grants.c.environment == grant.environment,
            grants.c.state == "active",
            grants.c.id != grant.id,
        )
    ).first()
    if linked and linked.account_id != grant.account_id:
        raise DifferentAccount(
            f"you signed in to {title} as {name}, but {linked.account_name} is connected here.",
            do=f"Sign in as {linked.account_name}, or disconnect that account first.",
        )
    if not connector.shared_accounts and (owner := _another(connection, grant, provider)):
        raise SomebodyElses(title, name, owner)


def _another(connection: Connection, grant: Grant, provider: Provider) -> str | None:
    """Who else has this account here, in whatever environment and through whichever connector."""
    others = select(grants.c.subject).where(
        grants.c.provider == grant.provider,
        at(provider),
        grants.c.account_id == grant.account_id,
        grants.c.subject != grant.subject,
        grants.c.state.in_(_USED),
    )
    return connection.execute(others).scalars().first()


def has(connection: Connection, granted: Granted) -> bool:
    """Has this person connected that account here, in whatever environment and through whichever connector?"""
    mine = select(grants.c.id).where(
        grants.c.provider == granted.provider.name,
        at(granted.provider),
        grants.c.account_id == (granted.account or ("",))[0],
        grants.c.subject == granted.subject,
        grants.c.state.in_(_USED),
        grants.c.version > 0,  # what was only set aside is not
    )
    return connection.execute(mine).first() is not None


def one_at_a_time(connection: Connection, account: str) -> None:
    """Two people who link the same account at once see each other. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        lock = int.from_bytes(hashlib.sha256(account.encode()).digest()[:8], signed=True)
        connection.execute(text("SELECT pg_advisory_xact_lock(:account)"), {"account": lock})
