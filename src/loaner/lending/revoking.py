"""Ending a grant at the provider, and saying truthfully what the provider confirmed."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from loaner.catalog.provider import Provider
from loaner.clock import Now
from loaner.connectors import Connectors
from loaner.consent.grants import Grant, Grants
from loaner.errors import GrantBroken, SettingsInvalid
from loaner.lending.refresh import error_word
from loaner.provider_call import Answer, ProviderTransport, Unanswered
from loaner.secret import Secret
from loaner.settings import Connector

_GONE = frozenset({"token_revoked", "invalid_auth", "token_expired", "not_authed", "account_inactive"})


@dataclass(frozen=True)
class Revoked:
    """How ending one grant went. ``confirmed`` only where a probe with the old token was refused."""

    grant: Grant
    confirmed: bool
    how: str


class Revoker:
    def __init__(
        self,
        grants: Grants,
        providers: dict[str, Provider],
        connectors: Connectors,
        transport: ProviderTransport,
        now: Now,
    ) -> None:
        self.grants = grants
        self.providers = providers
        self.connectors = connectors
        self.transport = transport
        self.now = now

    async def revoke(self, grant_id: str) -> Revoked:
        """End one grant: here first, so that nothing more is lent on it, then at the provider, then probe.

        Raises :class:`GrantBroken` when it has ended already.
        """
        grant, access, refresh = await self.grants.tokens(grant_id)

        await self.grants.store.write(lambda c: self.grants.fence(c, grant.id, reason="revoked by its owner"))
        done = await self._at_provider(grant, access, refresh)
        await self.grants.store.write(lambda c: self.grants.end(c, grant.id, state="revoked", reason=done.how))
        return done

    async def _at_provider(self, grant: Grant, access: Secret, refresh: Secret | None) -> Revoked:
        provider, connector = self.providers[grant.provider], self.connectors.named(grant.connector)
        try:
            for token in (access, refresh) if provider.grant.revoke_token_field else (access,):
                if token is not None:
                    await self._revoke(token, access, provider, connector)
            dead = await self._is_dead(access, provider)
        except Unanswered:
            return Revoked(grant, confirmed=False, how=f"{provider.title} did not answer; our copy is destroyed")
        if not dead:
            return Revoked(grant, confirmed=False, how=f"{provider.title} still accepts it; our copy is destroyed")
        what = "the grant" if provider.grant.revoke_ends == "grant" else "its token (our copy of the rest is destroyed)"
        return Revoked(grant, confirmed=True, how=f"{provider.title} ended {what}")

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


async def revoke_all(revoker: Revoker, grants: list[Grant]) -> list[Revoked]:
    """Revoke several, one after the other; one that had ended meanwhile is passed over."""
    done = []
    for grant in grants:
        try:
            done.append(await revoker.revoke(grant.id))
        except GrantBroken:
            continue
    return done
