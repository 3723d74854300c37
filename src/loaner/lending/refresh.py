"""A grant's access token, refreshed when it is about to expire: once, whoever and however many ask.

A refresh token is single use. So a lease on the row picks one process; it makes the new pair durable before
anyone uses it, and the others read what it stored (RFC 9700 §4.14).
"""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import NoReturn

import anyio
from sqlalchemy import Connection, or_, select, update

from loaner.catalog.provider import Provider
from loaner.clock import Now
from loaner.consent.grants import Grant, Grants, GrantUnreadable
from loaner.errors import GrantBroken, ProviderUnavailable, SettingsInvalid
from loaner.failpoints import reached
from loaner.lending import journal
from loaner.lending.account import Account
from loaner.lending.budget import Budgets
from loaner.lending.costs import unasked
from loaner.lending.unwritten import Unwritten
from loaner.provider_call import Answer, ProviderTransport, Unanswered
from loaner.provider_call.token_endpoint import NoTokens, TokenSet, ask, error_word, token_set
from loaner.secret import Secret
from loaner.settings import Connector
from loaner.store.owner import is_gone, this_process
from loaner.store.tables import grants

EARLY = timedelta(minutes=2)
"""A token this close to its end is refreshed first, so that no call outlives its credential."""
ENOUGH = timedelta(seconds=30)
"""What a token must still have to live for one more call on it to begin."""
_LEASE = timedelta(seconds=30)
_PATIENCE = 40.0
"""Seconds that a call waits for a refresh: for those that use the old token to end, and for the provider."""
_LOOK_AGAIN = 0.1
_BROKEN = frozenset({"invalid_grant", "bad_refresh_token", "invalid_refresh_token", "token_revoked", "invalid_auth"})
_CLIENT = frozenset(
    {
        "invalid_client",
        "unauthorized_client",
        "invalid_client_id",
        "bad_client_secret",
        "incorrect_client_credentials",
    }
)
"""About the connector's registration, not the grant: RFC 6749 §5.2, and in Slack's and GitHub's words."""


@dataclass(frozen=True)
class _Turn:
    """Whose turn it is: ours, and under which row the new pair is expected; or not yet."""

    pair: str | None = None
    in_use: bool = False


class Refresher:
    """Answers with a live access token of a grant: of one in force, or ``ending``, of one that is being revoked."""

    def __init__(
        self, grants: Grants, transport: ProviderTransport, now: Now, budgets: Budgets, *, ending: bool = False
    ) -> None:
        self.grants = grants
        self.transport = transport
        self.now = now
        self.budgets = budgets
        self.ending = ending
        self.unwritten = Unwritten(grants.store)

    async def fresh(self, grant_id: str, provider: Provider, connector: Connector) -> tuple[Grant, Secret]:
        """The grant as it is now and its access token.

        Raises :class:`GrantBroken`, :class:`ProviderUnavailable`; :class:`SettingsInvalid` when the provider does not
        accept the connector's own credentials.
        """
        with anyio.move_on_after(_PATIENCE):
            while True:
                grant, access, refresh = await self._opened(grant_id)
                left = grant.expires_at - self.now() if grant.expires_at else EARLY
                if left >= EARLY:
                    return grant, access
                if refresh is None:
                    await self._disabled(grant, provider)
                turn = await self._take_turn(grant, provider)
                if turn.pair:
                    renewed = await self._refreshed(turn.pair, grant, refresh, provider, connector)
                    if renewed:
                        return renewed
                elif turn.in_use and left > ENOUGH:
                    return grant, access  # the calls that use it keep it alive, and there is time for one more
                await anyio.sleep(_LOOK_AGAIN)
        raise ProviderUnavailable(
            f"the grant at {provider.title} is being refreshed.", do="Repeat the call in a minute."
        )

    async def renewed(self, grant: Grant, provider: Provider, connector: Connector) -> tuple[Grant, Secret]:
        """The provider refused a token of ``grant``: one that works, if the grant itself is still good.

        Raises :class:`GrantBroken` when it is not, and then it is disabled; :class:`ProviderUnavailable` when the
        provider does not say; :class:`SettingsInvalid` when the connector is what it does not accept.
        """
        current, _, refresh = await self._opened(grant.id)
        if current.version == grant.version:
            if refresh is None:
                await self._disabled(grant, provider)
            over = update(grants).where(grants.c.id == grant.id, grants.c.version == grant.version)
            await self.grants.store.write(lambda c: c.execute(over.values(expires_at=self.now())) and None)
        return await self.fresh(grant.id, provider, connector)

    async def _opened(self, grant_id: str) -> tuple[Grant, Secret, Secret | None]:
        await self.unwritten.settle(grant_id)
        try:
            return await self.grants.tokens(grant_id, ending=self.ending)
        except GrantUnreadable as failure:
            if failure.altered:
                # Kept as it is for whoever looks into it; but the person is asked again, and not told forever to be.
                reason = failure.log
                await self.grants.store.write(lambda c: self.grants.set_aside(c, grant_id, reason=reason))
            raise

    async def _take_turn(self, grant: Grant, provider: Provider) -> _Turn:
        """Win the right to spend this version's refresh token, once no call needs the present access token."""
        at, me, pair_id = self.now(), this_process(), secrets.token_hex(16)
        state = "revoking" if self.ending else "active"
        mine = (grants.c.id == grant.id) & (grants.c.version == grant.version) & (grants.c.state == state)

        def work(connection: Connection) -> _Turn:
            row = connection.execute(select(grants.c.lease_holder, grants.c.lease_until).where(mine)).first()
            if row is None or (row.lease_holder and row.lease_until >= at and not is_gone(row.lease_holder)):
                return _Turn()
            free = or_(grants.c.lease_holder.is_(None), grants.c.lease_holder == row.lease_holder)
            lease = update(grants).where(mine, free, or_(grants.c.lease_until.is_(None), grants.c.lease_until < at))
            if row.lease_holder and is_gone(row.lease_holder):
                lease = update(grants).where(mine, grants.c.lease_holder == row.lease_holder)
            if connection.execute(lease.values(lease_holder=me, lease_until=at + _LEASE)).rowcount != 1:
                return _Turn()
            if _needed(connection, grant, provider, at):
                release = update(grants).where(mine, grants.c.lease_holder == me)
                connection.execute(release.values(lease_holder=None, lease_until=None))
                return _Turn(in_use=True)
            journal.expect_pair(connection, pair_id, grant, provider, at=at)
            return _Turn(pair=pair_id)

        turn = await self.grants.store.write(work)
        if turn.pair:
            reached("refresh.leased")
        return turn

    async def _refreshed(
        self, pair: str, grant: Grant, refresh: Secret, provider: Provider, connector: Connector
    ) -> tuple[Grant, Secret] | None:
        """The renewed grant; ``None`` where another process turns out to have renewed it."""
        # Spending a refresh token and storing its successor must not be torn apart by a caller who goes away.
        with anyio.CancelScope(shield=True):
            tokens = await self._successor(pair, grant, refresh, provider, connector)
            if tokens:
                reached("refresh.answered")
                at = self.now()  # what it still has to live counts from here, whenever it can be written
                renewed = await self.unwritten.write(
                    grant.id, lambda c: self._kept(c, pair, grant, tokens, provider, at)
                )
                reached("refresh.written")
        return (renewed, tokens.access) if tokens else None

    def _kept(
        self, connection: Connection, pair: str, grant: Grant, tokens: TokenSet, provider: Provider, at: datetime
    ) -> Grant:
        journal.pair_kept(connection, pair, grant, provider, at=at)
        return self.grants.renew(connection, grant, tokens, at)

    async def _successor(
        self, pair: str, grant: Grant, refresh: Secret, provider: Provider, connector: Connector
    ) -> TokenSet | None:
        self.budgets.owe(Account.of(provider, grant), unasked(provider, "refresh"))
        try:
            answer = await self._spend(refresh, provider, connector)
        except Unanswered as failure:
            # It may have rotated: then the pair stays listed, and the next attempt is refused.
            await self._release(grant, None if failure.sent else pair)
            raise ProviderUnavailable(
                f"{provider.title} did not answer while the grant was refreshed. Nothing was sent.",
                do="Repeat the call in a minute.",
                log=f"refresh: {failure}",
            ) from None
        with contextlib.suppress(NoTokens):
            return token_set(answer.body if isinstance(answer.body, dict) else {}, provider, grant.permissions)
        word = error_word(answer)
        if word in _BROKEN:
            await self._release(grant, pair)
            # Refused also where another process, whose clock differs, has spent it. Its pair is in the row then; or
            # soon will be, and puts the grant back in force.
            if (await self._opened(grant.id))[0].version != grant.version:
                return None
            await self._disabled(grant, provider)
        await self._release(grant, pair)
        # A wrong or rotated client secret says nothing about the grant, which is alive at the provider: it is kept. In
        # answer to a refresh, 401 is about the client whatever word comes with it. Whoever ends a grant goes on: ending
        # it may need no client secret.
        if not self.ending and (word in _CLIENT or answer.status == HTTPStatus.UNAUTHORIZED):
            raise SettingsInvalid(
                f"{provider.title} did not accept the client credentials of the connector {connector.name!r}, so the "
                "user's grant could not be renewed. The grant is kept, and nothing was done.",
                do=f"An operator has to correct connectors.{connector.name}.client_id or client_secret, and restart.",
                dont="Don't ask the user to connect the account again.",
                log=f"refresh answered {answer.status} {word if word in _CLIENT else ''}".strip(),
            )
        raise ProviderUnavailable(
            f"{provider.title} could not refresh the grant right now. Nothing was sent.",
            do="Repeat the call in a minute.",
            log=f"refresh answered {answer.status}",
        )

    async def _spend(self, refresh: Secret, provider: Provider, connector: Connector) -> Answer:
        form: dict[str, str | Secret] = {"grant_type": "refresh_token", "refresh_token": refresh}
        url = provider.url(provider.grant.refresh or provider.consent.token)
        return await ask(self.transport, url, provider, connector, form)

    async def _release(self, grant: Grant, pair: str | None) -> None:
        """Let others try; ``pair`` is one that certainly never came to be."""
        mine = (grants.c.id == grant.id) & (grants.c.lease_holder == this_process())
        done = update(grants).where(mine).values(lease_holder=None, lease_until=None)

        def work(connection: Connection) -> None:
            connection.execute(done)
            if pair:
                journal.never_lent(connection, pair, how="nothing was issued", at=self.now())

        await self.grants.store.write(work)

    async def retire(self, grant: Grant, reason: str) -> None:
        """Stop lending on a grant that its provider does not honour any more; not on one renewed meanwhile."""
        await self.grants.store.write(
            lambda c: self.grants.end(c, grant.id, state="disabled", reason=reason, version=grant.version)
        )

    async def _disabled(self, grant: Grant, provider: Provider) -> NoReturn:
        """The provider will not have this pair any more: stop, say so, and never loop (RFC 6749 §5.2)."""
        if not self.ending:  # whoever ends it says what became of it
            await self.retire(grant, "the provider refused the refresh token")
        raise GrantBroken(
            f"{provider.title} no longer honours the user's grant.",
            do="Repeat the call: the user will be asked to connect the account again.",
        )


def _needed(connection: Connection, grant: Grant, provider: Provider, at: datetime) -> bool:
    """Would a refresh now end a token that a call is using?

    Either the present one; or, at a provider where the one before lives on (Slack's two), the one before that.
    A token that has expired cannot be spared.
    """
    expires = grant.expires_at or at
    if expires <= at:
        return False
    held = provider.lending.style == "held"
    issued = None if provider.grant.kills_previous else expires - timedelta(seconds=provider.grant.lifetime)
    return journal.in_use(connection, grant.id, at=at, held=held, before=issued) > 0
