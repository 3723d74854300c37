"""Ending a grant at the provider, and saying truthfully what the provider confirmed."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from typing import Any, Protocol

import anyio
from sqlalchemy import Connection, select

from loaner.catalog.provider import Provider
from loaner.clock import Now
from loaner.connectors import Connectors
from loaner.errors import GrantBroken, LoanerError, ProviderUnavailable, SettingsInvalid
from loaner.grants import endings, loan_rows, pending_pairs
from loaner.grants.grants import Grant, GrantElsewhere, Grants, GrantUnreadable, granted_at
from loaner.grants.refresh import EARLY, Refresher, is_free
from loaner.grants.token_endpoint import error_word
from loaner.limits.limiter import Limiter
from loaner.provider_call import Answer, ProviderTransport, Unanswered
from loaner.secret import Secret
from loaner.settings import Connector
from loaner.store.tables import grants, loans

_LOOK_AGAIN = 0.05


@dataclass(frozen=True)
class Revoked:
    """How ending one grant went. ``confirmed`` only where a probe with the old token was refused."""

    grant: Grant
    confirmed: bool
    how: str
    took: float = 0.0
    """Seconds, from the block's point of view: waiting for its turn included."""
    ends_at: datetime | None = None
    """Unconfirmed: when all of it is dead at the latest; ``None`` where no end is known."""


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
        limiter: Limiter,
    ) -> None:
        self.grants = grants
        self.providers = providers
        self.connectors = connectors
        self.transport = transport
        self.now = now
        self.refresher = Refresher(grants, transport, now, limiter, ending=True)

    async def end(self, grant: Grant, note: NoteEnd, *, patience: float, thorough: bool = True) -> Revoked:
        """End a grant that is used no more: at the provider, then probe, then here. ``patience`` in seconds.

        Unconfirmed, its tokens are kept so that it can be tried again. ``thorough``: a person waits for the answer, so
        that a refresh token of which nobody knows is tried as well. Raises :class:`GrantBroken` when it is over, or was
        renewed, meanwhile.
        """
        try:
            if await self._unleased(grant.id, patience):
                done = await self._ended(grant.id, patience, thorough=thorough)
            else:
                done = Revoked(grant, confirmed=False, how="not asked: a server is renewing it")
        except GrantUnreadable as failure:
            done = Revoked(grant, confirmed=False, how=self._unreadable(grant, failure))
        except GrantElsewhere as failure:
            done = Revoked(grant, confirmed=False, how=f"not asked: {failure.cause} {failure.do}")
        at = self.now()

        def work(connection: Connection) -> Revoked:
            if done.confirmed:
                if not endings.over(connection, done.grant, reason=done.how):
                    raise GrantBroken("it was renewed, or ended, meanwhile.")
                note(connection, done)
                return done
            before = endings.put_off(connection, grant.id, error=done.how, at=at)
            if before is None:
                raise GrantBroken("another process ended it meanwhile.")
            if before.ends_at and before.ends_at + loan_rows.CLOCK_SKEW <= at:
                aged = replace(done, how="expired by itself")
                endings.over(connection, before.grant, reason=aged.how)
                note(connection, aged)
                return aged
            if before.last_error != done.how:  # what stays as it was is not recorded at each attempt
                note(connection, done)
            return replace(done, ends_at=before.ends_at)

        return await self.grants.store.write(work)

    async def _ended(self, grant_id: str, patience: float, *, thorough: bool) -> Revoked:
        """Raises :class:`GrantUnreadable`; and :class:`GrantBroken` when another process ended it meanwhile."""
        grant, _, refresh = await self.grants.tokens(grant_id, ending=True)
        try:
            if not thorough and await self._shared(grant):
                return await self._apart(grant)
            productive = self._productive(grant)
            lives = await self._renewed(grant, refresh, patience) if productive or thorough else None
            done, open_question = await self._at_provider(grant_id, refresh_lives=lives)
            if open_question and lives is None and (productive or thorough):
                # What is left is a refresh token of which nobody knows. The one way to know is to use it.
                lives = await self._renewed(grant, refresh, patience, force=True)
                done, _ = await self._at_provider(grant_id, refresh_lives=lives)
        except GrantUnreadable:
            raise
        except (LoanerError, KeyError) as failure:
            told = failure.cause if isinstance(failure, LoanerError) else "its provider is not among the connectors"
            return Revoked(grant, confirmed=False, how=f"not asked: {told}")
        return done

    def _productive(self, grant: Grant) -> bool:
        """Could a renewed token do more to end it? Where a refresh token cannot be ended, only another would come."""
        rule = self.providers[grant.provider].grant
        return rule.revoke_ends == "grant" or rule.revoke_token_field is not None

    async def _shared(self, grant: Grant) -> bool:
        """Would its end take a grant along that is in use, at a provider that ends all of an account at once?"""
        if self.providers[grant.provider].grant.revoke_ends != "grant":
            return False
        client = grant.client_id or self.connectors.named(grant.connector).client_id
        same = (grants.c.provider == grant.provider) & (grants.c.state == "active") & (grants.c.id != grant.id)
        same &= granted_at(self.providers[grant.provider])
        query = select(grants.c.connector, grants.c.client_id, grants.c.account_id).where(same)
        rows = await self.grants.store.read(lambda c: c.execute(query).all())
        for row in rows:
            if row.account_id == grant.account_id or not grant.account_id:
                try:
                    if (row.client_id or self.connectors.named(row.connector).client_id) == client:
                        return True
                except LoanerError:  # that one is configured no more, and may be the same app
                    return True
        return False

    async def _apart(self, grant: Grant) -> Revoked:
        """End its access token alone; the rest waits until the other grant of that account has ended."""
        provider, connector = self.providers[grant.provider], self.connectors.named(grant.connector)
        _, access, _ = await self.grants.tokens(grant.id, ending=True)
        if provider.lending.give_back:
            with contextlib.suppress(Unanswered):
                await self._ask(provider.lending.give_back, access, provider, connector)
        told = f"{provider.title} would end another connection of that account with it, so it waits for that one's end"
        return Revoked(grant, confirmed=False, how=told)

    def _unreadable(self, grant: Grant, failure: GrantUnreadable) -> str:
        """Nobody but the provider can end it now, unless its key comes back."""
        provider = self.providers.get(grant.provider)
        title = provider.title if provider else grant.provider
        why = "what is stored of it was altered" if failure.altered else "it is sealed under a key that is not here"
        back = "" if failure.altered else "put the key back and it is tried again, or "
        return f"{title} was not asked, {why}: {back}end it in the account's settings at {title}; nothing is lent on it"

    async def _unleased(self, grant_id: str, patience: float) -> bool:
        """A refresh under way brings a new pair: that is the one to revoke, so it is waited for; whether it is over."""
        held = select(grants.c.lease_holder, grants.c.lease_until).where(grants.c.id == grant_id)
        with anyio.move_on_after(patience):
            while True:
                row = (await self.grants.store.read(lambda c: c.execute(held).all()))[0]
                if is_free(row, self.now()):
                    return True
                await anyio.sleep(_LOOK_AGAIN)
        return False

    async def _renewed(
        self, grant: Grant, refresh: Secret | None, patience: float, *, force: bool = False
    ) -> bool | None:
        """A provider ends a grant for a live token only, so an expired one is renewed first: lent to nobody.

        ``True`` when it was; ``False`` when the refresh token is dead; ``None`` when nobody knows: a refusal to an app
        that it may not be of says nothing.
        """
        if refresh is None:
            return False
        if not force and (grant.expires_at is None or grant.expires_at - self.now() >= EARLY):
            return None
        provider, connector = self.providers[grant.provider], self.connectors.named(grant.connector)
        try:
            with anyio.move_on_after(patience):
                if force:
                    await self.refresher.renewed(
                        (await self.grants.tokens(grant.id, ending=True))[0], provider, connector
                    )
                else:
                    await self.refresher.fresh(grant.id, provider, connector)
                return True
        except ProviderUnavailable:
            return None  # it may honour it still
        except GrantUnreadable:
            raise
        except GrantBroken:
            return None if grant.client_id is None or await self._lost_pair(grant) else False
        return None

    async def _lost_pair(self, grant: Grant) -> bool:
        """Was a refresh answered to nobody? Then the pair that it brought is what a refusal may come from."""
        lost = select(loans.c.id).where(
            loans.c.grant_id == grant.id, loans.c.style == pending_pairs.PAIR, loans.c.state.in_(loan_rows.OPEN)
        )
        return await self.grants.store.read(lambda c: c.execute(lost).first()) is not None

    async def _at_provider(self, grant_id: str, *, refresh_lives: bool | None) -> tuple[Revoked, bool]:
        """Revoke every token of it that may live, and try those that a call could be made with.

        Also whether all that is open is what became of the refresh token.
        """
        grant, access, refresh = await self.grants.tokens(grant_id, ending=True)
        provider, connector = self.providers[grant.provider], self.connectors.named(grant.connector)
        calling = [access, *(token for token, _ in await self.grants.replaced(grant_id))]
        title, everything, accepted, of_refresh = (
            provider.title,
            False,
            False,
            refresh is None or refresh_lives is False,
        )
        try:
            for token in calling:
                ended = await self._revoke(token, provider, connector)
                accepted |= ended
                if ended and provider.grant.revoke_ends == "grant":
                    everything, calling = True, [token]
                    break
            if refresh is not None and not (everything or of_refresh):
                of_refresh = await self._revoke(refresh, provider, connector)
            dead = [await self._is_dead(token, provider) for token in calling]
        except Unanswered:
            return Revoked(grant, confirmed=False, how=f"{title} did not answer; nothing is lent on it"), False
        if not all(dead):
            return Revoked(grant, confirmed=False, how=f"{title} still accepts it; nothing is lent on it"), False
        if everything or of_refresh:
            how = "ended the grant" if everything else "accepts none of its tokens any more"
            how = how if accepted else "had ended it already"
            return Revoked(grant, confirmed=True, how=f"{title} {how}; a probe was refused"), False
        left = "did not say whether it can still be renewed"
        if not self._productive(grant):
            left = "has no request that ends its refresh token: remove the app in the account's settings there"
        return Revoked(grant, confirmed=False, how=f"{title} ended its access token, and {left}"), True

    async def _revoke(self, token: Secret, provider: Provider, connector: Connector) -> bool:
        """Ask the provider to end a token; whether it says that it did. Raises :class:`Unanswered`."""
        if provider.grant.revoke is None:
            raise Unanswered(sent=False)
        answer = await self._ask(provider.grant.revoke, token, provider, connector)
        if answer.status != HTTPStatus.NO_CONTENT and not isinstance(answer.body, dict):
            return False  # a gateway's page, whatever its status
        said_no = isinstance(answer.body, dict) and answer.body.get("revoked") is False
        return answer.status < HTTPStatus.BAD_REQUEST and error_word(answer) is None and not said_no

    async def _ask(self, request: str, token: Secret, provider: Provider, connector: Connector) -> Answer:
        rule = provider.grant
        method, url = provider.request(request, client_id=connector.client_id)
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
            bearer=token if rule.revoke_auth == "bearer" else None,
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
        return answer.status == HTTPStatus.UNAUTHORIZED or error_word(answer) in provider.grant.gone
