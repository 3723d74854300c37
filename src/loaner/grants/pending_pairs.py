"""Token pairs on their way: written down before a provider is asked for one, so that a lost answer is listed.

They stand among the loans, because they are the same promise: what may be alive at a provider and is not in a grant
is confirmed ended, or listed with the latest moment at which it is dead.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, select, update

from loaner.catalog.provider import Provider
from loaner.grants.grants import Grant
from loaner.store.owner import this_process
from loaner.store.tables import loans

OPEN = ("intent", "lent", "returning")
"""The states of a loan, or of a pair, that is not known to be dead."""
PAIR = "pair"
"""The style of such a row."""
NO_KNOWN_END = datetime(9999, 1, 1, tzinfo=UTC)
"""In the place of an end: a refresh token of a provider that names no lifetime. Never shown as a date."""
_LOOKED_AT_AGAIN = timedelta(minutes=2)
_ISSUED_WITHIN = timedelta(minutes=2)
"""A lifetime counts from when the provider issues the pair, and that is later than when it was asked."""


def id_of(handle: str) -> str:
    """The one row for the pair that answers a question."""
    return hashlib.sha256(f"pair {handle}".encode()).hexdigest()[:32]


def expect(
    connection: Connection,
    pair_id: str,
    *,
    subject: str,
    environment: str,
    provider: str,
    connector: str,
    grant_id: str,
    permissions: Iterable[str],
    resource: str,
    lifetime: float | None,
    at: datetime,
    apart: bool = False,
) -> bool:
    """A pair may exist from now on. ``lifetime`` in seconds, of what of it lives longest.

    False where one was expected already, and that request may have been answered to nobody. ``apart``: this is then
    another pair, and the lost one stays listed by itself.
    """
    expected = (loans.c.id == pair_id) & (loans.c.state != "failed")
    if apart:
        connection.execute(update(loans).where(expected).values(id=secrets.token_hex(16)))
    if connection.execute(select(loans.c.id).where(expected)).first():
        return False
    connection.execute(loans.delete().where(loans.c.id == pair_id))
    connection.execute(
        loans.insert().values(
            id=pair_id,
            call_id="",
            subject=subject,
            agent="loaner",
            environment=environment,
            provider=provider,
            connector=connector,
            grant_id=grant_id,
            style=PAIR,
            state="intent",
            owner=this_process(),
            permissions=sorted(permissions),
            resource=resource,
            intent_at=at,
            latest_expiry=at + _ISSUED_WITHIN + timedelta(seconds=lifetime) if lifetime else NO_KNOWN_END,
            next_attempt_at=at + _LOOKED_AT_AGAIN,
            record={},
        )
    )
    return True


def close(
    connection: Connection, pair_id: str, *, state: Literal["returned", "failed"], how: str, at: datetime
) -> None:
    """It is in a grant, or was ended (``returned``); or the provider issued none (``failed``)."""
    connection.execute(update(loans).where(loans.c.id == pair_id).values(state=state, returned_at=at, returned_how=how))


def expect_renewed(connection: Connection, pair_id: str, grant: Grant, provider: Provider, *, at: datetime) -> None:
    """Write down that a refresh is about to bring a new pair. Where it gets lost, this is what lists it."""
    expect(
        connection,
        pair_id,
        subject=grant.subject,
        environment=grant.environment,
        provider=grant.provider,
        connector=grant.connector,
        grant_id=grant.id,
        permissions=grant.permissions,
        resource=f"account:{grant.account_name}",
        lifetime=provider.grant.refresh_lifetime if provider.grant.rotates else provider.grant.lifetime,
        at=at,
    )


def renewed(connection: Connection, pair_id: str, grant: Grant, provider: Provider, *, at: datetime) -> None:
    """The pair became the grant. Where a refresh token works once, earlier attempts with it brought none."""
    close(connection, pair_id, state="returned", how="kept as the grant", at=at)
    if provider.grant.rotates and provider.grant.kills_previous:
        earlier = (loans.c.grant_id == grant.id) & (loans.c.style == PAIR) & loans.c.state.in_(OPEN)
        connection.execute(
            update(loans).where(earlier).values(state="failed", returned_at=at, returned_how="nothing was issued")
        )
