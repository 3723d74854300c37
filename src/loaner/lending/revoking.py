"""Ending a grant at the provider, and saying truthfully what the provider confirmed."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

import anyio
from sqlalchemy import Connection, select

from loaner.catalog.provider import Provider
from loaner.clock import Now
from loaner.connectors import Connectors
from loaner.consent.grants import Grant, Grants, GrantUnreadable
from loaner.errors import GrantBroken, LoanerError, ProviderUnavailable, SettingsInvalid
from loaner.lending import journal
from loaner.lending.budget import Budgets
from loaner.lending.refresh import EARLY, Refresher
from loaner.provider_call import Answer, ProviderTransport, Unanswered
from loaner.provider_call.token_endpoint import error_word
from loaner.secret import Secret
from loaner.settings import Connector
from loaner.store import pairs
from loaner.store.owner import is_gone
from loaner.store.tables import grants, loans

_LOOK_AGAIN = 0.05
_GONE = frozenset({"token_revoked", "invalid_auth", "token_expired", "not_authed", "account_inactive"})


@dataclass(frozen=True)
class Revoked:
    """How ending one grant went. ``confirmed`` only where a probe with the old token was refused."""

    grant: Grant
    confirmed: bool
    how: str
    took: float = 0.0
    """Seconds, from the fence's point of view: waiting for its turn included."""


class NoteEnd(Protocol):
    """Records the end of a grant, in the transaction that ends it."""

    def __call__(self, connection: Connection, revoked: Revoked) -> None: ...


class Revoker:
    def __init__(
        self,
        grants: Grants,
        providers: dict[str, Provider],
        connectors: Connectors,
        transport: ProviderTransport,
        now: Now,
        budgets: Budgets,
    ) -> None:
        self.grants = grants
        self.providers = providers
        self.connectors = connectors
        self.transport = transport
        self.now = now
        self.refresher = Refresher(grants, transport, now, budgets, ending=True)

    async def end(self, grant: Grant, note: NoteEnd, *, patience: float) -> Revoked:
        """End a grant that is fenced already: at the provider, then probe, then here. ``patience`` in seconds.

        Unconfirmed, its tokens are kept so that it can be tried again. Raises :class:`GrantBroken` when another
        process ended it meanwhile.
        """
        await self._unleased(grant.id, patience)
        try:
            done = await self._ended(grant.id, patience)
        except GrantUnreadable as failure:
            done = Revoked(grant, confirmed=False, how=self._unreadable(grant, failure))

        stands = select(grants.c.reason).where(grants.c.id == grant.id, grants.c.state == "revoking")

        def work(connection: Connection) -> None:
            if done.confirmed:
                self.grants.end(connection, grant.id, state="revoked", reason=done.how)
                note(connection, done)
                return
            row = connection.execute(stands).first()
            if row is None:
                raise GrantBroken("another process ended it meanwhile.")
            if row.reason != done.how:  # what stays as it was is not recorded at each attempt
                self.grants.fence(connection, grant.id, reason=done.how)
                note(connection, done)

        await self.grants.store.write(work)
        return done

    async def _ended(self, grant_id: str, patience: float) -> Revoked:
        """Raises :class:`GrantUnreadable`; and :class:`GrantBroken` when another process ended it meanwhile."""
        grant, access, refresh = await self.grants.tokens(grant_id, ending=True)
        try:
            honoured = await self._renewed(grant, refresh, patience)
            grant, access, refresh = await self.grants.tokens(grant.id, ending=True)
            return await self._at_provider(grant, access, refresh, honoured=honoured)
        except (LoanerError, KeyError) as failure:
            told = failure.cause if isinstance(failure, LoanerError) else "its provider is not among the connectors"
            return Revoked(grant, confirmed=False, how=f"not asked: {told}")

    def _unreadable(self, grant: Grant, failure: GrantUnreadable) -> str:
        """Nobody but the provider can end it now, unless its key comes back."""
        provider = self.providers.get(grant.provider)
        title = provider.title if provider else grant.provider
        why = "what is stored of it was altered" if failure.altered else "it is sealed under a key that is not here"
        back = "" if failure.altered else "put the key back and it is tried again, or "
        return f"{title} was not asked, {why}: {back}end it in the account's settings at {title}; nothing is lent on it"

    async def _unleased(self, grant_id: str, patience: float) -> None:
        """A refresh under way brings a new pair: that is the one to revoke, so it is waited for."""
        held = select(grants.c.lease_holder, grants.c.lease_until).where(grants.c.id == grant_id)
        with anyio.move_on_after(patience):
            while True:
                row = (await self.grants.store.read(lambda c: c.execute(held).all()))[0]
                if not row.lease_holder or row.lease_until < self.now() or is_gone(row.lease_holder):
                    return
                await anyio.sleep(_LOOK_AGAIN)

    async def _renewed(self, grant: Grant, refresh: Secret | None, patience: float) -> bool:
        """A provider ends a grant for a live token only, so an expired one is renewed first: lent to nobody.

        ``False`` when the provider will not renew it any more, and no pair of an earlier refresh may have got lost.
        """
        if refresh is None or grant.expires_at is None or grant.expires_at - self.now() >= EARLY:
            return True
        try:
            with anyio.move_on_after(patience):
                await self.refresher.fresh(
                    grant.id, self.providers[grant.provider], self.connectors.named(grant.connector)
                )
        except ProviderUnavailable:
            return True  # it may honour it still
        except GrantBroken:
            lost = select(loans.c.id).where(
                loans.c.grant_id == grant.id, loans.c.style == pairs.PAIR, loans.c.state.in_(journal.OPEN)
            )
            return await self.grants.store.read(lambda c: c.execute(lost).first()) is not None
        return True

    async def _at_provider(self, grant: Grant, access: Secret, refresh: Secret | None, *, honoured: bool) -> Revoked:
        provider, connector = self.providers[grant.provider], self.connectors.named(grant.connector)
        accepted = False
        try:
            for token in (access, refresh) if provider.grant.revoke_token_field else (access,):
                if token is not None:
                    answer = await self._revoke(token, access, provider, connector)
                    accepted = accepted or (answer.status < HTTPStatus.BAD_REQUEST and error_word(answer) is None)
            dead = await self._is_dead(access, provider)
        except Unanswered:
            return Revoked(grant, confirmed=False, how=f"{provider.title} did not answer; nothing is lent on it")
        if not dead:
            return Revoked(grant, confirmed=False, how=f"{provider.title} still accepts it; nothing is lent on it")
        if not honoured:
            return Revoked(grant, confirmed=True, how=f"{provider.title} had ended it already; a probe was refused")
        if not accepted and refresh and grant.expires_at and grant.expires_at <= self.now():
            # A token that had expired proves nothing about the one that renews it.
            return Revoked(grant, confirmed=False, how=f"{provider.title} did not say whether it can still be renewed")
        what = "the grant" if provider.grant.revoke_ends == "grant" else "its token (our copy of the rest is destroyed)"
        return Revoked(grant, confirmed=True, how=f"{provider.title} ended {what}; a probe was refused")

    async def _revoke(self, token: Secret, access: Secret, provider: Provider, connector: Connector) -> Answer:
        rule = provider.grant
        if rule.revoke is None:
            raise Unanswered(sent=False)
        method, url = provider.request(rule.revoke, client_id=connector.client_id)
        body: dict[str, Any] | None = {rule.revoke_token_field: token.reveal()} if rule.revoke_token_field else None
        basic = None
        if rule.revoke_auth == "basic":
            if connector.client_secret is None:
                raise SettingsInvalid(f"the connector {connector.name!r} has no client_secret to revoke with.")
            basic = (connector.client_id, connector.client_secret)
        return await self.transport.exchange(
            method,
            url,
            headers=provider.headers,
            json=body if rule.revoke_body == "json" else None,
            form=body if rule.revoke_body == "form" else None,
            basic=basic,
            bearer=access if rule.revoke_auth == "bearer" else None,
        )

    async def _is_dead(self, access: Secret, provider: Provider) -> bool:
        """Ask who the token belongs to: a dead one does not know any more."""
        account = provider.grant.account
        answer = await self.transport.exchange(
            account.method,
            provider.url(account.at),
            headers=provider.headers,
            json={"query": account.graphql} if account.graphql else None,
            bearer=access,
        )
        return answer.status == HTTPStatus.UNAUTHORIZED or error_word(answer) in _GONE
