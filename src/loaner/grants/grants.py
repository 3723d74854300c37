"""Grants: what a person allowed loaner to do at a provider, sealed at rest.

A grant belongs to one subject, one connector and one environment, and to one account at the provider: linking a
different account over it is refused, never done silently (the attack of consent phishing, MCP "URL elicitation").
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, case, select, true, update

from loaner.catalog.provider import Provider
from loaner.clock import Now, from_iso, iso
from loaner.connectors import Connectors, OtherApp
from loaner.errors import GrantBroken
from loaner.grants import owners
from loaner.grants.seals import identity
from loaner.grants.token_endpoint import TokenSet
from loaner.identity.caller import Caller
from loaner.secret import Secret
from loaner.settings import Connector
from loaner.store import Store, Unsealable, WrongKey
from loaner.store.tables import grants

# Built once: they run in every call.
OF = select(grants).where(
    *(grants.c[name] == bindparam(name) for name in ("subject", "connector", "environment")),
    grants.c.state == "active",
    grants.c.version > 0,
)
ONE = select(grants).where(grants.c.id == bindparam("id"), grants.c.state.in_(bindparam("states", expanding=True)))


ENDING = ("revoking", "disabled")
"""Used no more and not over: ``revoking`` because somebody wants it, ``disabled`` because its provider refused it."""
NOT_OVER = ("active", *ENDING)
granted_at = owners.at
UNUSED = 0
"""The version of what a provider granted and nobody uses: it is sealed with it, so that no change of its row makes it
one to lend on. Those that are lent on count from one."""


class GrantElsewhere(GrantBroken):
    """A grant of another place than where its provider is now, or of another app than its connector is now."""


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
    place: str | None
    """``Provider.place`` when it was granted; ``None`` where nobody knows."""
    client_id: str | None
    """Of the app that it was granted to; ``None`` where nobody knows."""


@dataclass(frozen=True)
class Granted:
    """What a provider granted: to whom it was asked for, and whose account it is."""

    subject: str
    connector: Connector
    provider: Provider
    environment: str
    tokens: TokenSet
    account: tuple[str, str] | None
    """Its id and its name; ``None`` where the provider did not say."""


Replaced = tuple[Secret, datetime]
"""An access token from before a refresh, and when it is dead at the latest."""


class Grants:
    def __init__(self, store: Store, now: Now, providers: Mapping[str, Provider], connectors: Connectors) -> None:
        self.store = store
        self.now = now
        self.providers = providers
        self.connectors = connectors

    def is_here(self, grant: Grant) -> bool:
        """Was it granted where its provider is now, and to the app that is its connector now?"""
        return self.why_elsewhere(grant) is None

    def why_elsewhere(self, grant: Grant) -> str | None:
        """Why nothing is lent on an active grant, and what to do; ``None`` where something is."""
        try:
            self.refuse_elsewhere(grant)
        except GrantElsewhere as failure:
            return f"{failure.cause} {failure.do}"
        return None

    def refuse_elsewhere(self, grant: Grant) -> None:
        """Raises :class:`GrantElsewhere`. One of which nobody knows is taken to be here."""
        provider = self.providers.get(grant.provider)
        if not (grant.place is None or provider is None or grant.place == provider.place):
            raise GrantElsewhere(
                f"the grant is of {grant.place}, where {grant.provider} is no more, so nothing of it was sent.",
                do=f"Start loaner with hosts.{grant.provider} as it was to use or to end it.",
            )
        try:
            self.connectors.refuse_other_app(grant.connector, grant.client_id, "the grant")
        except OtherApp as other:
            raise GrantElsewhere(other.cause, do=other.do) from None

    async def covering(
        self, caller: Caller, connector: Connector, provider: Provider, needed: frozenset[str]
    ) -> Grant | None:
        """The smallest active grant that covers what is needed, or ``None``.

        Where the provider narrows each loan itself, any grant of the connector will do: its width never reaches a call.
        """
        whose = {"subject": caller.subject.key, "connector": connector.name, "environment": caller.environment}
        rows = await self.store.read(lambda c: c.execute(OF, whose).all())
        found = [grant for grant in map(grant_of, rows) if self.is_here(grant)]
        if provider.lending.style == "pass_through":
            found = [grant for grant in found if provider.covers(grant.permissions, needed)]
        return min(found, key=lambda grant: (len(provider.excess(grant.permissions, needed)), grant.id), default=None)

    async def all_of(self, subject: str) -> list[Grant]:
        """Every active grant of one person, the oldest first."""
        return await self._listed(grants.c.subject == subject)

    async def usable_of(self, subject: str) -> list[Grant]:
        """Those of one person that something can be lent on."""
        return [grant for grant in await self.all_of(subject) if self.is_here(grant)]

    async def everybodys(self) -> list[Grant]:
        """Every active grant, the oldest first."""
        return await self._listed(true())

    async def _listed(self, wanted: ColumnElement[bool]) -> list[Grant]:
        query = select(grants).where(wanted, grants.c.state == "active")
        rows = await self.store.read(lambda c: c.execute(query.order_by(grants.c.created_at)).all())
        return [grant_of(row) for row in rows]

    async def get(self, grant_id: str) -> Grant:
        """Raises :class:`GrantBroken` when it is not active any more."""
        row = await self.store.read(lambda c: _active(c, grant_id))
        return grant_of(row)

    async def tokens(self, grant_id: str, *, ending: bool = False) -> tuple[Grant, Secret, Secret | None]:
        """The grant as it is now, with its access and refresh token. For ``lending`` only.

        ``ending``: one that is lent on no more, to end it at the provider.
        """
        row = await self.store.read(lambda c: _one(c, grant_id, *ENDING) if ending else _active(c, grant_id))
        self.refuse_elsewhere(grant := grant_of(row))
        kept = self.opened(row)
        refresh = kept["refresh"]
        return grant, Secret(kept["access"]), Secret(refresh) if refresh else None

    async def replaced(self, grant_id: str) -> list[Replaced]:
        """Access tokens that were replaced and may live on: a provider may or may not end them with the refresh."""
        row = await self.store.read(lambda c: _one(c, grant_id, *NOT_OVER))
        listed = [(Secret(token), from_iso(until)) for token, until in self.opened(row).get("replaced", [])]
        return [(token, until) for token, until in listed if until > self.now()]

    def opened(self, row: Row[Any]) -> dict[str, Any]:
        """What a row has sealed. Raises :class:`GrantUnreadable`."""
        try:
            opened = self.store.sealed.open(row.sealed or b"", *identity(dict(row._mapping)))  # noqa: SLF001
        except Unsealable as failure:
            unreadable = GrantUnreadable(
                "the stored grant cannot be opened: it was altered, moved, or its key is gone.",
                do="Ask the user to connect the account again.",
                log=str(failure),
            )
            unreadable.altered = not isinstance(failure, WrongKey)
            raise unreadable from None
        kept: dict[str, Any] = json.loads(opened.reveal())
        return kept

    def keep(self, connection: Connection, granted: Granted, at: datetime) -> Grant:
        """Store a new grant, inside the caller's transaction. Whose account it is was looked at: ``owners``."""
        return self._add(connection, granted, at, version=UNUSED + 1, state="active")

    def set_aside(self, connection: Connection, granted: Granted, at: datetime, **more: Any) -> Grant:
        """Store what a provider granted and nobody uses: only to be ended there. ``more`` are columns."""
        return self._add(connection, granted, at, version=UNUSED, state="revoking", **more)

    def into_use(self, connection: Connection, grant_id: str, still: ColumnElement[bool]) -> Grant:
        """Lend on what was set aside, from now on, if its row is ``still`` so when it is changed.

        Whatever was looked at before: once its end has begun, nothing brings it back, however writers take turns.
        Raises :class:`GrantBroken` then, and :class:`GrantUnreadable`.
        """
        row = _one(connection, grant_id, "revoking")
        used = {**row._mapping, "version": UNUSED + 1}  # noqa: SLF001
        sealed = self.store.sealed.seal(Secret(json.dumps(self.opened(row))), *identity(used))
        values = {"version": UNUSED + 1, "sealed": sealed, "state": "active", "reason": None, "next_attempt_at": None}
        changed = connection.execute(update(grants).where(grants.c.id == grant_id, still).values(values))
        if changed.rowcount != 1:
            raise GrantBroken("the connection was ended before its account was confirmed.")
        return grant_of(_active(connection, grant_id))

    def _add(self, connection: Connection, granted: Granted, at: datetime, **more: Any) -> Grant:
        tokens, account = granted.tokens, granted.account or ("", "not known")
        lifetime = tokens.refresh_expires_in
        if lifetime is None and tokens.refresh:
            lifetime = granted.provider.grant.refresh_lifetime
        expires, refresh_expires = _after(at, tokens.expires_in), _after(at, lifetime)
        known = {
            "id": secrets.token_hex(16),
            "subject": granted.subject,
            "provider": granted.provider.name,
            "connector": granted.connector.name,
            "environment": granted.environment,
            "account_id": account[0],
            "account_name": account[1],
            "permissions": sorted(tokens.permissions),
            "place": granted.provider.place,
            "client_id": granted.connector.client_id,
            **more,
        }
        connection.execute(
            grants.insert().values(
                **known,
                sealed=self.store.sealed.seal(tokens.as_secret(), *identity(known)),
                expires_at=expires,
                refresh_expires_at=refresh_expires,
                ends_at=latest(expires, refresh_expires) if tokens.refresh else expires,
                created_at=at,
            )
        )
        return grant_of(_one(connection, str(known["id"]), *NOT_OVER))

    def renew(
        self,
        connection: Connection,
        grant: Grant,
        tokens: TokenSet,
        at: datetime,
        *,
        replaced: Sequence[Replaced] = (),
    ) -> Grant:
        """Replace the tokens by refreshed ones, one version up; the old pair cannot be put back unnoticed.

        ``replaced`` are the access tokens before, which are kept until they must be dead. ``grant.client_id`` is the
        app that renewed it; a provider renews one for its own app alone, so a grant of before knows it from then on.
        """
        version = grant.version + 1
        permissions = tokens.permissions or grant.permissions
        renewed = vars(grant) | {"version": version, "permissions": permissions}
        expires = _after(at, tokens.expires_in)
        refresh_expires = _after(at, tokens.refresh_expires_in) or grant.refresh_expires_at
        ends = latest(expires, refresh_expires) if tokens.refresh else expires
        for _, until in replaced:
            ends = latest(ends, until)
        changed = connection.execute(
            update(grants)
            .where(
                grants.c.id == grant.id,
                grants.c.version == grant.version,
                # A pair in the hand is newer than the refusal that another process met with the one before.
                # And while it is being revoked, the new pair is what there is to revoke.
                grants.c.state.in_(NOT_OVER),
            )
            .values(
                version=version,
                state=case((grants.c.state == "revoking", "revoking"), else_="active"),
                reason=case((grants.c.state == "revoking", grants.c.reason)),
                permissions=sorted(permissions),
                client_id=grant.client_id,
                sealed=self.store.sealed.seal(_with(tokens, replaced), *identity(renewed)),
                expires_at=expires,
                refresh_expires_at=refresh_expires,
                ends_at=ends,
                refused=0,
                refused_at=None,
                lease_holder=None,
                lease_until=None,
            )
        )
        if changed.rowcount != 1:
            raise GrantBroken("the grant was ended while it was being refreshed.", do="Ask the user to connect again.")
        return grant_of(_one(connection, grant.id, *NOT_OVER))


def _active(connection: Connection, grant_id: str) -> Row[tuple[object, ...]]:
    return _one(connection, grant_id, "active")


def _one(connection: Connection, grant_id: str, *states: str) -> Row[tuple[object, ...]]:
    row = connection.execute(ONE, {"id": grant_id, "states": states}).first()
    if row is None:
        raise GrantBroken(
            "the user's grant has ended.", do="Repeat the call: the user will be asked to connect the account again."
        )
    return row


def grant_of(row: Row[tuple[object, ...]]) -> Grant:
    values = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    return Grant(
        permissions=frozenset(values["permissions"] or ()),
        **{name: values[name] for name in Grant.__dataclass_fields__ if name != "permissions"},
    )


def _with(tokens: TokenSet, replaced: Sequence[Replaced]) -> Secret:
    if not replaced:
        return tokens.as_secret()
    listed = [(token.reveal(), iso(until)) for token, until in replaced]
    return Secret(json.dumps(json.loads(tokens.as_secret().reveal()) | {"replaced": listed}))


def latest(one: datetime | None, other: datetime | None) -> datetime | None:
    """``None`` is no known end, which is later than any."""
    return max(one, other) if one and other else None


def _after(at: datetime, seconds: float | None) -> datetime | None:
    return None if seconds is None else at + timedelta(seconds=seconds)
