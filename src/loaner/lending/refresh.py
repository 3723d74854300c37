"""A grant's access token, refreshed when it is about to expire: once, whoever and however many ask.

A refresh token is single use. So a lease on the row picks one process; it makes the new pair durable before
anyone uses it, and the others read what it stored (RFC 9700 §4.14).
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from http import HTTPStatus
from typing import Any, NoReturn

import anyio
from sqlalchemy import or_, update

from loaner.catalog.provider import Provider
from loaner.clock import Now
from loaner.consent.grants import Grant, Grants, TokenSet
from loaner.errors import GrantBroken, ProviderUnavailable
from loaner.provider_call import Answer, ProviderTransport, Unanswered
from loaner.secret import Secret
from loaner.settings import Connector
from loaner.store.tables import grants

EARLY = timedelta(minutes=2)
"""A token this close to its end is refreshed first, so that no call outlives its credential."""
_LEASE = timedelta(seconds=30)
_LOOK_AGAIN = 0.1
_BROKEN = frozenset({"invalid_grant", "bad_refresh_token", "invalid_refresh_token", "token_revoked", "invalid_auth"})


class Refresher:
    """Answers with a live access token of a grant."""

    def __init__(self, grants: Grants, transport: ProviderTransport, now: Now) -> None:
        self.grants = grants
        self.transport = transport
        self.now = now
        self._me = secrets.token_hex(8)

    async def fresh(self, grant_id: str, provider: Provider, connector: Connector) -> tuple[Grant, Secret]:
        """The grant as it is now and its access token. Raises :class:`GrantBroken`, :class:`ProviderUnavailable`."""
        with anyio.move_on_after(_LEASE.total_seconds()):
            while True:
                grant, access, refresh = await self.grants.tokens(grant_id)
                if grant.expires_at is None or grant.expires_at > self.now() + EARLY:
                    return grant, access
                if refresh is None:
                    await self._disabled(grant, provider)
                if await self._leased(grant):
                    return await self._refreshed(grant, refresh, provider, connector)
                await anyio.sleep(_LOOK_AGAIN)  # another process is at it; its result will be in the row
        raise ProviderUnavailable(
            f"the grant at {provider.title} is being refreshed.", do="Repeat the call in a minute."
        )

    async def _leased(self, grant: Grant) -> bool:
        """Win the right to spend this version's refresh token."""
        at = self.now()
        free = or_(grants.c.lease_until.is_(None), grants.c.lease_until < at)
        lease = (
            update(grants)
            .where(grants.c.id == grant.id, grants.c.version == grant.version, grants.c.state == "active", free)
            .values(lease_holder=self._me, lease_until=at + _LEASE)
        )
        return await self.grants.store.write(lambda c: c.execute(lease).rowcount == 1)

    async def _refreshed(
        self, grant: Grant, refresh: Secret, provider: Provider, connector: Connector
    ) -> tuple[Grant, Secret]:
        # Spending a refresh token and storing its successor must not be torn apart by a caller who goes away.
        with anyio.CancelScope(shield=True):
            tokens = await self._successor(grant, refresh, provider, connector)
            renewed = await self.grants.store.write(lambda c: self.grants.renew(c, grant, tokens, self.now()))
        return renewed, tokens.access

    async def _successor(self, grant: Grant, refresh: Secret, provider: Provider, connector: Connector) -> TokenSet:
        try:
            answer = await self._spend(refresh, provider, connector)
        except Unanswered as failure:
            await self._release(grant)
            raise ProviderUnavailable(
                f"{provider.title} did not answer while the grant was refreshed. Nothing was sent.",
                do="Repeat the call in a minute.",
                log=f"refresh unanswered, sent={failure.sent}",
            ) from None
        tokens = read_tokens(answer, provider)
        if tokens is not None:
            return tokens
        if error_word(answer) in _BROKEN or answer.status == HTTPStatus.UNAUTHORIZED:
            await self._disabled(grant, provider)
        await self._release(grant)
        raise ProviderUnavailable(
            f"{provider.title} could not refresh the grant right now. Nothing was sent.",
            do="Repeat the call in a minute.",
            log=f"refresh answered {answer.status}",
        )

    async def _spend(self, refresh: Secret, provider: Provider, connector: Connector) -> Answer:
        form = {"grant_type": "refresh_token", "refresh_token": refresh.reveal(), "client_id": connector.client_id}
        basic = None
        if connector.client_secret and provider.consent.client_auth == "basic":
            basic = (connector.client_id, connector.client_secret)
            del form["client_id"]
        elif connector.client_secret and provider.consent.client_auth == "post":
            form["client_secret"] = connector.client_secret.reveal()
        url = provider.url(provider.grant.refresh or provider.consent.token)
        return await self.transport.exchange(
            "POST", url, headers={"Accept": "application/json"}, form=form, basic=basic
        )

    async def _release(self, grant: Grant) -> None:
        mine = (grants.c.id == grant.id) & (grants.c.lease_holder == self._me)
        done = update(grants).where(mine).values(lease_holder=None, lease_until=None)
        await self.grants.store.write(lambda c: c.execute(done) and None)

    async def disable(self, grant: Grant, reason: str) -> None:
        """Stop lending on a grant that its provider does not honour any more."""
        await self.grants.store.write(lambda c: self.grants.end(c, grant.id, state="disabled", reason=reason))

    async def _disabled(self, grant: Grant, provider: Provider) -> NoReturn:
        """The provider will not have this pair any more: stop, say so, and never loop (RFC 6749 §5.2)."""
        await self.disable(grant, "the provider refused the refresh token")
        raise GrantBroken(
            f"{provider.title} no longer honours the user's grant.",
            do="Repeat the call: the user will be asked to connect the account again.",
        )


def error_word(answer: Answer) -> str | None:
    """The ``error`` of a token endpoint's answer (RFC 6749 §5.2; GitHub and Slack send it with HTTP 200)."""
    word = answer.body.get("error") if isinstance(answer.body, dict) else None
    return word if isinstance(word, str) else None


def read_tokens(answer: Answer, provider: Provider) -> TokenSet | None:
    """What a token endpoint granted, or ``None`` when it granted nothing."""
    body: Any = answer.body
    if not isinstance(body, dict) or not isinstance(body.get("access_token"), str) or not body["access_token"]:
        return None
    scopes = str(body.get("scope") or "").replace(",", " ").split()
    refresh = body.get("refresh_token")
    return TokenSet(
        access=Secret(body["access_token"]),
        refresh=Secret(refresh) if isinstance(refresh, str) and refresh else None,
        expires_in=_seconds(body.get("expires_in")) or (provider.grant.lifetime if refresh else None),
        refresh_expires_in=_seconds(body.get("refresh_token_expires_in")),
        permissions=frozenset(scopes),
    )


def _seconds(value: object) -> float | None:
    return float(value) if isinstance(value, int | float | str) and str(value).replace(".", "", 1).isdigit() else None
