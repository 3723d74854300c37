"""A grant's access token, refreshed when it is about to expire: once, whoever and however many ask.

A refresh token is single use. So a lease on the row picks one process; it makes the new pair durable before
anyone uses it, and the others read what it stored (RFC 9700 §4.14).
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NoReturn

import anyio
from sqlalchemy import Connection, select, update

from loaner.catalog.provider import Provider
from loaner.clock import Now
from loaner.errors import GrantBroken, ProviderUnavailable, SettingsInvalid
from loaner.failpoints import reached
from loaner.grants import endings, loan_rows, pending_pairs
from loaner.grants.grants import ENDING, Grant, Grants, GrantUnreadable, Replaced
from loaner.grants.token_endpoint import NoTokens, TokenSet, ask, refusal, token_set
from loaner.grants.unsaved import UnsavedTokens
from loaner.limits.costs import unasked
from loaner.limits.key import LimitKey
from loaner.limits.limiter import Limiter
from loaner.provider_call import Answer, ProviderTransport, Unanswered
from loaner.provider_call.failures import out_of_reach
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
REFUSALS = 3
"""Refusals in words that nobody knows, within ten minutes, after which the person is asked to connect again."""


@dataclass(frozen=True)
class _Turn:
    """Whose turn it is: ours, and under which row the new pair is expected; or not yet."""

    pair: str | None = None
    in_use: bool = False


class Refresher:
    """Answers with a live access token of a grant: of one in force, or ``ending``, of one that is being revoked."""

    def __init__(
        self, grants: Grants, transport: ProviderTransport, now: Now, limiter: Limiter, *, ending: bool = False
    ) -> None:
        self.grants = grants
        self.transport = transport
        self.now = now
        self.limiter = limiter
        self.ending = ending
        self.unwritten = UnsavedTokens(grants.store)

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
                await self.grants.store.write(
                    lambda c: endings.retire(c, grant_id, reason=reason, at=self.now()) and None
                )
            raise

    async def _take_turn(self, grant: Grant, provider: Provider) -> _Turn:
        """Win the right to spend this version's refresh token, once no call needs the present access token."""
        at, me, pair_id = self.now(), this_process(), secrets.token_hex(16)
        states = ENDING if self.ending else ("active",)
        mine = (grants.c.id == grant.id) & (grants.c.version == grant.version) & grants.c.state.in_(states)

        def work(connection: Connection) -> _Turn:
            row = connection.execute(select(grants.c.lease_holder, grants.c.lease_until).where(mine)).first()
            if row is None or not is_free(row, at):
                return _Turn()
            lease = update(grants).where(mine, grants.c.lease_holder.is_not_distinct_from(row.lease_holder))
            if connection.execute(lease.values(lease_holder=me, lease_until=at + _LEASE)).rowcount != 1:
                return _Turn()
            if _needed(connection, grant, provider, at):
                release = update(grants).where(mine, grants.c.lease_holder == me)
                connection.execute(release.values(lease_holder=None, lease_until=None))
                return _Turn(in_use=True)
            pending_pairs.expect_renewed(connection, pair_id, grant, provider, at=at)
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
        with self.transport.unbroken.section():
            replaced = [*await self.grants.replaced(grant.id), await self._replacing(grant, provider)]
            tokens = await self._successor(pair, grant, refresh, provider, connector)
            if tokens:
                reached("refresh.answered")
                its = replace(grant, client_id=connector.client_id)
                at = self.now()  # what it still has to live counts from here, whenever it can be written
                renewed = await self.unwritten.write(
                    grant.id, lambda c: self._kept(c, pair, its, tokens, provider, at, replaced)
                )
                reached("refresh.written")
        return (renewed, tokens.access) if tokens else None

    async def _replacing(self, grant: Grant, provider: Provider) -> Replaced:
        """The access token of now: whether the refresh ends it, not every provider says."""
        _, access, _ = await self.grants.tokens(grant.id, ending=self.ending)
        return access, self.now() + timedelta(seconds=provider.grant.lifetime)

    def _kept(
        self,
        connection: Connection,
        pair: str,
        grant: Grant,
        tokens: TokenSet,
        provider: Provider,
        at: datetime,
        replaced: Sequence[Replaced],
    ) -> Grant:
        pending_pairs.renewed(connection, pair, grant, provider, at=at)
        return self.grants.renew(connection, grant, tokens, at, replaced=replaced)

    async def _successor(
        self, pair: str, grant: Grant, refresh: Secret, provider: Provider, connector: Connector
    ) -> TokenSet | None:
        self.limiter.owe(LimitKey.of(provider, grant.connector, grant.account_id), unasked(provider, "refresh"))
        try:
            answer = await self._spend(refresh, provider, connector)
        except Unanswered as failure:
            # It may have rotated: then the pair stays listed, and the next attempt is refused.
            await self._release(grant, None if failure.sent else pair)
            if failure.lasting:
                raise out_of_reach(provider, failure) from None
            raise ProviderUnavailable(
                f"{provider.title} did not answer while the grant was refreshed. Nothing was sent.",
                do="Repeat the call in a minute.",
                log=f"refresh: {failure}",
            ) from None
        with contextlib.suppress(NoTokens):
            return token_set(answer.body if isinstance(answer.body, dict) else {}, provider, grant.permissions)
        await self._release(grant, pair)
        kind = refusal(answer, provider)
        if kind == "unknown" and await self._is_enough(grant):
            kind = "final"
        if kind == "final":
            # Refused also where another process, whose clock differs, has spent it. Its pair is in the row then; or
            # soon will be, and puts the grant back in force.
            if (await self._opened(grant.id))[0].version != grant.version:
                return None
            await self._disabled(grant, provider)
        # A wrong or rotated client secret says nothing about the grant, which is alive at the provider: it is kept.
        # Whoever ends a grant goes on: ending it may need no client secret.
        if kind == "client" and not self.ending:
            raise SettingsInvalid(
                f"{provider.title} did not accept the client credentials of the connector {connector.name!r}, so the "
                "user's grant could not be renewed. The grant is kept, and nothing was done.",
                do=f"An operator has to correct connectors.{connector.name}.client_id or client_secret, and restart.",
                dont="Don't ask the user to connect the account again.",
                log=f"refresh answered {answer.status}: about the client",
            )
        raise ProviderUnavailable(
            f"{provider.title} could not refresh the grant right now. Nothing was sent.",
            do="Repeat the call in a minute.",
            log=f"refresh answered {answer.status}: {kind}",
        )

    async def _is_enough(self, grant: Grant) -> bool:
        """Refused again in words that nobody knows: does the person have to be asked by now?"""
        at = self.now()
        return await self.grants.store.write(lambda c: endings.refused(c, grant, at=at)) >= REFUSALS

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
                pending_pairs.close(connection, pair, state="failed", how="nothing was issued", at=self.now())

        await self.grants.store.write(work)

    async def retire(self, grant: Grant, reason: str, *, dead_refresh: bool = False) -> None:
        """Lend no more on a grant that its provider refuses; not on one that was renewed meanwhile.

        Its tokens are kept until the provider was asked to end them. ``dead_refresh``: it said so of that one.
        """

        def work(connection: Connection) -> None:
            gone = endings.retire(connection, grant.id, reason=reason, at=self.now(), version=grant.version)
            if gone and dead_refresh:
                endings.without_refresh(connection, self.grants, grant)

        await self.grants.store.write(work)

    async def _disabled(self, grant: Grant, provider: Provider) -> NoReturn:
        """The provider will not have this pair any more: stop, say so, and never loop (RFC 6749 §5.2)."""
        if not self.ending:  # whoever ends it says what became of it
            await self.retire(grant, "the provider refused the refresh token", dead_refresh=True)
        raise GrantBroken(
            f"{provider.title} no longer honours the user's grant.",
            do="Repeat the call: the user will be asked to connect the account again.",
        )


def is_free(row: Any, at: datetime) -> bool:
    """May another process spend the refresh token? One that lives may hold its successor, and wait for the store."""
    if not row.lease_holder or is_gone(row.lease_holder):
        return True
    own = row.lease_holder == this_process()
    return bool(row.lease_until + (timedelta(0) if own else loan_rows.CLOCK_SKEW) < at)


def _needed(connection: Connection, grant: Grant, provider: Provider, at: datetime) -> bool:
    """Would a refresh now end a token that a call is using?

    Either the present one; or, at a provider where the one before lives on (Slack's two), the one before that.
    A token that has expired cannot be spared.
    """
    expires = grant.expires_at or at
    if expires <= at:
        return False
    pass_through = provider.lending.style == "pass_through"
    issued = None if provider.grant.kills_previous else expires - timedelta(seconds=provider.grant.lifetime)
    return loan_rows.in_use(connection, grant.id, at=at, pass_through=pass_through, before=issued) > 0
