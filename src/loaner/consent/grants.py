"""Grants: what a person allowed loaner to do at a provider, sealed at rest.

A grant belongs to one subject, one connector and one environment, and to one account at the provider: linking a
different account over it is refused, never done silently (the attack of consent phishing, MCP "URL elicitation").
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Row, bindparam, case, select, text, true, update

from loaner.caller import Caller
from loaner.catalog.provider import Provider
from loaner.clock import Now
from loaner.consent import approvals
from loaner.errors import GrantBroken, LoanerError
from loaner.provider_call.token_endpoint import TokenSet
from loaner.secret import Secret
from loaner.settings import Connector
from loaner.store import Store, Unsealable, WrongKey
from loaner.store.tables import grants

# Built once: they run in every call.
_OF = select(grants).where(
    *(grants.c[name] == bindparam(name) for name in ("subject", "connector", "environment")), grants.c.state == "active"
)
_ONE = select(grants).where(grants.c.id == bindparam("id"), grants.c.state.in_(bindparam("states", expanding=True)))


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


class GrantUnreadable(GrantBroken):
    """A stored grant that does not open. ``altered``: whatever key is configured, it never will."""

    altered = False


@dataclass(frozen=True)
class Grant:
    """One active grant; its tokens stay in the store until lending asks."""

    id: str
    subject: str
    provider: str
    connector: str
    environment: str
    permissions: frozenset[str]
    account_id: str
    account_name: str
    version: int
    expires_at: datetime | None
    refresh_expires_at: datetime | None
    created_at: datetime


class Grants:
    def __init__(self, store: Store, now: Now) -> None:
        self.store = store
        self.now = now

    async def covering(
        self, caller: Caller, connector: Connector, provider: Provider, needed: frozenset[str]
    ) -> Grant | None:
        """The smallest active grant that covers what is needed, or ``None``.

        Where the provider narrows each loan itself, any grant of the connector will do: its width never reaches a call.
        """
        whose = {"subject": caller.subject.key, "connector": connector.name, "environment": caller.environment}
        rows = await self.store.read(lambda c: c.execute(_OF, whose).all())
        found = [grant_of(row) for row in rows]
        if provider.lending.style == "held":
            found = [grant for grant in found if provider.covers(grant.permissions, needed)]
        return min(found, key=lambda grant: (len(provider.excess(grant.permissions, needed)), grant.id), default=None)

    async def all_of(self, subject: str) -> list[Grant]:
        """Every active grant of one person, the oldest first."""
        return await self._listed(grants.c.subject == subject)

    async def everybodys(self) -> list[Grant]:
        """Every active grant, the oldest first."""
        return await self._listed(true())

    async def _listed(self, wanted: ColumnElement[bool]) -> list[Grant]:
        query = select(grants).where(wanted, grants.c.state == "active")
        rows = await self.store.read(lambda c: c.execute(query.order_by(grants.c.created_at)).all())
        return [grant_of(row) for row in rows]

    async def forget_all(self, environment: str, *, reason: str) -> None:
        """End every grant of an environment here, where nothing is left at the provider to end."""
        gone = update(grants).where(grants.c.environment == environment, grants.c.state == "active")
        await self.store.write(lambda c: c.execute(gone.values(state="revoked", reason=reason, sealed=None)) and None)

    async def get(self, grant_id: str) -> Grant:
        """Raises :class:`GrantBroken` when it is not active any more."""
        row = await self.store.read(lambda c: _active(c, grant_id))
        return grant_of(row)

    async def tokens(self, grant_id: str, *, ending: bool = False) -> tuple[Grant, Secret, Secret | None]:
        """The grant as it is now, with its access and refresh token. For ``lending`` only.

        ``ending``: one that is lent on no more, to end it at the provider.
        """
        row = await self.store.read(lambda c: _one(c, grant_id, "revoking") if ending else _active(c, grant_id))
        grant = grant_of(row)
        try:
            opened = self.store.sealed.open(
                row.sealed, *_identity(grant.id, grant.subject, grant.connector, row.version)
            )
        except Unsealable as failure:
            unreadable = GrantUnreadable(
                "the stored grant cannot be opened: it was altered, moved, or its key is gone.",
                do="Ask the user to connect the account again.",
                log=str(failure),
            )
            unreadable.altered = not isinstance(failure, WrongKey)
            raise unreadable from None
        kept: Mapping[str, str | None] = json.loads(opened.reveal())
        access, refresh = kept["access"], kept["refresh"]
        return grant, Secret(access or ""), Secret(refresh) if refresh else None

    def keep(
        self,
        connection: Connection,
        *,
        subject: str,
        connector: Connector,
        provider: Provider,
        environment: str,
        account_id: str,
        account_name: str,
        tokens: TokenSet,
        at: datetime,
    ) -> Grant:
        """Store a new grant, inside the caller's transaction. Raises :class:`DifferentAccount`."""
        _one_at_a_time(connection, f"{provider.name} {account_id}")
        linked = connection.execute(
            select(grants.c.account_id, grants.c.account_name).where(
                grants.c.subject == subject,
                grants.c.connector == connector.name,
                grants.c.environment == environment,
                grants.c.state == "active",
            )
        ).first()
        if linked and linked.account_id != account_id:
            raise DifferentAccount(
                f"you signed in to {provider.title} as {account_name}, but {linked.account_name} is connected here.",
                do=f"Sign in as {linked.account_name}, or disconnect that account first.",
            )
        if not connector.shared_accounts and (owner := _owner(connection, provider, account_id, subject)):
            raise SomebodyElses(provider.title, account_name, owner)
        grant_id = secrets.token_hex(16)
        lifetime = tokens.expires_in if tokens.expires_in is not None else None
        refresh_lifetime = tokens.refresh_expires_in
        if refresh_lifetime is None and tokens.refresh:
            refresh_lifetime = provider.grant.refresh_lifetime
        connection.execute(
            grants.insert().values(
                id=grant_id,
                subject=subject,
                provider=provider.name,
                connector=connector.name,
                environment=environment,
                permissions=sorted(tokens.permissions),
                account_id=account_id,
                account_name=account_name,
                state="active",
                version=1,
                sealed=self.store.sealed.seal(tokens.as_secret(), *_identity(grant_id, subject, connector.name, 1)),
                expires_at=_after(at, lifetime),
                refresh_expires_at=_after(at, refresh_lifetime),
                created_at=at,
            )
        )
        return grant_of(_active(connection, grant_id))

    def renew(self, connection: Connection, grant: Grant, tokens: TokenSet, at: datetime) -> Grant:
        """Replace the tokens by refreshed ones, one version up; the old pair cannot be put back unnoticed."""
        version = grant.version + 1
        permissions = tokens.permissions or grant.permissions
        changed = connection.execute(
            update(grants)
            .where(
                grants.c.id == grant.id,
                grants.c.version == grant.version,
                # A pair in the hand is newer than the refusal that another process met with the one before.
                # And while it is being revoked, the new pair is what there is to revoke.
                grants.c.state.in_(("active", "disabled", "revoking")),
            )
            .values(
                version=version,
                state=case((grants.c.state == "revoking", "revoking"), else_="active"),
                reason=case((grants.c.state == "revoking", grants.c.reason)),
                permissions=sorted(permissions),
                sealed=self.store.sealed.seal(
                    tokens.as_secret(), *_identity(grant.id, grant.subject, grant.connector, version)
                ),
                expires_at=_after(at, tokens.expires_in),
                refresh_expires_at=_after(at, tokens.refresh_expires_in) or grant.refresh_expires_at,
                lease_holder=None,
                lease_until=None,
            )
        )
        if changed.rowcount != 1:
            raise GrantBroken("the grant was ended while it was being refreshed.", do="Ask the user to connect again.")
        return grant_of(_one(connection, grant.id, "active", "revoking"))

    def fence(self, connection: Connection, grant_id: str, *, reason: str) -> None:
        """Nothing more is lent on it; its tokens stay until the provider was asked to end them."""
        connection.execute(update(grants).where(grants.c.id == grant_id).values(state="revoking", reason=reason))
        self._end_reading(connection, grant_id)

    def end(
        self, connection: Connection, grant_id: str, *, state: str, reason: str, version: int | None = None
    ) -> None:
        """Stop using a grant and forget its tokens. ``state`` is ``disabled`` or ``revoked``.

        ``version``: only if its tokens are still those.
        """
        which = [grants.c.id == grant_id, *([grants.c.version == version] if version is not None else [])]
        connection.execute(update(grants).where(*which).values(state=state, reason=reason, sealed=None))
        self._end_reading(connection, grant_id)

    def set_aside(self, connection: Connection, grant_id: str, *, reason: str) -> None:
        """Stop using a grant whose stored tokens do not open, and keep them as they are."""
        mine = (grants.c.id == grant_id) & (grants.c.state == "active")
        connection.execute(update(grants).where(mine).values(state="disabled", reason=reason))
        self._end_reading(connection, grant_id)

    def _end_reading(self, connection: Connection, grant_id: str) -> None:
        """With its last grant an account is disconnected, and nothing of what was agreed to be read there is left."""
        of = ("subject", "connector", "environment")
        row = connection.execute(select(*(grants.c[name] for name in of)).where(grants.c.id == grant_id)).first()
        if row is None or connection.execute(_OF, dict(zip(of, row, strict=True))).first():
            return
        approvals.end_reading(connection, self.now(), **dict(zip(of, row, strict=True)))


def _owner(connection: Connection, provider: Provider, account_id: str, subject: str) -> str | None:
    """Who else has this account here, in whatever environment and through whichever connector."""
    others = select(grants.c.subject).where(
        grants.c.provider == provider.name,
        grants.c.account_id == account_id,
        grants.c.subject != subject,
        grants.c.state.in_(("active", "disabled", "revoking")),
    )
    return connection.execute(others).scalars().first()


def _one_at_a_time(connection: Connection, account: str) -> None:
    """Two people who link the same account at once see each other. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        lock = int.from_bytes(hashlib.sha256(account.encode()).digest()[:8], signed=True)
        connection.execute(text("SELECT pg_advisory_xact_lock(:account)"), {"account": lock})


def _active(connection: Connection, grant_id: str) -> Row[tuple[object, ...]]:
    return _one(connection, grant_id, "active")


def _one(connection: Connection, grant_id: str, *states: str) -> Row[tuple[object, ...]]:
    row = connection.execute(_ONE, {"id": grant_id, "states": states}).first()
    if row is None:
        raise GrantBroken(
            "the user's grant has ended.", do="Repeat the call: the user will be asked to connect the account again."
        )
    return row


def grant_of(row: Row[tuple[object, ...]]) -> Grant:
    values = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    return Grant(
        permissions=frozenset(values["permissions"]),
        **{name: values[name] for name in Grant.__dataclass_fields__ if name != "permissions"},
    )


def _identity(grant_id: str, subject: str, connector: str, version: int) -> tuple[str, ...]:
    return ("grants", grant_id, subject, connector, str(version))


def _after(at: datetime, seconds: float | None) -> datetime | None:
    return None if seconds is None else at + timedelta(seconds=seconds)
