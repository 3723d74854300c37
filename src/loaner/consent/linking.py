"""Linking an account: the provider's own device flow, or an authorization code behind loaner's page.

Both end in :class:`~loaner.consent.resolve.Resolver`. What must survive a restart is in the row, sealed; a lease in
the row lets one of several processes poll.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlencode

import structlog
from sqlalchemy import Connection

from loaner.catalog.provider import Provider
from loaner.clock import Now
from loaner.connectors import Connectors
from loaner.consent import codes, requests
from loaner.consent.requests import ConsentRequest
from loaner.consent.resolve import Resolver
from loaner.errors import PolicyDenied, ProviderUnavailable, SettingsInvalid
from loaner.grants import device_flow, exchange, pending_pairs, pkce
from loaner.grants.device_flow import FlowEnded, Send, Wait
from loaner.grants.exchange import ExchangeFailed, ExchangeUnknown
from loaner.provider_call import ProviderTransport, Unanswered
from loaner.provider_call.failures import out_of_reach
from loaner.secret import Secret
from loaner.settings import Connector
from loaner.store import Store, Unsealable

log = structlog.get_logger(__name__)
_POLL_LEASE = timedelta(seconds=60)
_CANNOT_GO_ON = "The connection that was begun cannot be finished any more."
_CURES = {"device_flow_disabled": "tick “Enable Device Flow” in the app's settings there."}
"""What an operator has to do, by the provider's error code."""


@dataclass(frozen=True)
class Linking:
    store: Store
    transport: ProviderTransport
    providers: Mapping[str, Provider]
    connectors: Connectors
    now: Now
    base_url: Callable[[], str]
    resolver: Resolver
    account_claims: Mapping[str, str]

    async def start_device(self, asked: ConsentRequest) -> None:
        """Get a device code and show the person where to type the user code (RFC 8628 §3.1–§3.3).

        Raises :class:`ProviderUnavailable`, and then the person may try again; where that is no use, the question ends.
        """
        provider, connector = self._of(asked)
        wanted = provider.consent
        scope = wanted.scope_separator.join(sorted(asked.permissions)) if wanted.scope_param else None
        flow = device_flow.start(connector.client_id, scope)
        try:
            started = await self._started(flow, provider.url(wanted.device_authorization or ""))
        except Unanswered as lost:
            await self._out_of_reach(asked, provider, lost)
            return
        except FlowEnded as ended:
            if ended.why == "settings":
                await self._ended(asked, provider, ended)
                return
            await self.store.write(lambda c: requests.reopen(c, asked.handle))
            raise ProviderUnavailable(
                f"{provider.title} did not start the connection.",
                do="Try again in a minute. If it stays like this, an operator has to look at the connector.",
                log=f"device authorization: {ended.word}",
            ) from None
        at = self.now()
        sealed = self.store.sealed.seal(started.device_code, *_identity(asked, "device", provider))
        shown = {
            # Whoever types it at the provider decides there, so it is no more readable at rest than a key.
            "user_code": codes.seal_code(self.store.sealed, started.user_code, asked.handle, "provider code").hex(),
            "verification_uri": started.verification_uri,
            "interval": started.interval,
            "expires_at": (at + timedelta(seconds=started.expires_in)).isoformat(),
        }
        after = at + timedelta(seconds=started.interval)
        await self.store.write(
            lambda c: requests.set_flow(c, asked.handle, sealed=sealed, flow=shown, poll_after=after)
        )

    async def poll(self, handle: str) -> None:
        """Ask the provider once whether the person has answered there, if it is time to."""
        with self.transport.unbroken.section():  # its answer cannot be asked for again
            await self._poll(handle)

    async def _poll(self, handle: str) -> None:
        turn = await self._turn_to_poll(handle)
        if turn is None:
            return
        asked = await self.store.read(lambda c: requests.get(c, handle))
        if asked is None or asked.sealed is None or asked.flow is None:
            return
        try:
            provider, connector = self._of(asked)
            code = self.store.sealed.open(asked.sealed, *_identity(asked, "device", provider))
        except (SettingsInvalid, Unsealable):
            # The connector is gone from the settings, its provider is elsewhere, or the row is not as it was written:
            # never to be polled again.
            await self.resolver.fail(handle, _CANNOT_GO_ON)
            return
        steps = device_flow.poll(connector.client_id, code, asked.flow["interval"])
        next(steps)  # the wait that the lease has just found to be over
        try:
            step = steps.send(None)
            answer = await self._polled(provider, _form(step))
            step = steps.send(answer)
        except StopIteration as tokens:
            await self.resolver.tokens(asked, provider, connector, tokens.value)
        except FlowEnded as ended:
            # An answer that is neither tokens nor an error may stand for tokens that could not be read.
            if (turn == "first" and answer is not None and "error" in answer) or ended.why == "denied":
                await self.resolver.no_pair(handle)
            await self._ended(asked, provider, ended)
        else:
            if answer is not None:
                await self.resolver.no_pair(handle)  # not answered yet, so no earlier asking was answered either
            seconds = step.seconds if isinstance(step, Wait) else asked.flow["interval"]
            flow, after = {**asked.flow, "interval": seconds}, self.now() + timedelta(seconds=seconds)
            await self.store.write(lambda c: requests.set_flow(c, handle, flow=flow, poll_after=after))

    async def _polled(self, provider: Provider, form: Mapping[str, str | Secret]) -> device_flow.Body | None:
        with contextlib.suppress(Unanswered):  # the person may be done there already: ask again, later
            return await exchange.post(self.transport, provider.url(provider.consent.token), form)
        return None

    async def start_redirect(self, asked: ConsentRequest, session: str) -> str:
        """The provider's page to send this browser to. ``session`` is the hash of the browser's session: only the
        same browser may bring the answer back (RFC 9700 §4.7.1, and the attack of forwarding the link)."""
        provider, connector = self._of(asked)
        verifier, challenge = pkce.new_pkce()
        state = codes.new_state()
        sealed = self.store.sealed.seal(verifier, *_identity(asked, "redirect", provider))
        await self.store.write(
            lambda c: requests.set_flow(
                c, asked.handle, sealed=sealed, flow={"session": session}, state_hash=codes.hashed(state)
            )
        )
        wanted = provider.consent
        query = {
            **wanted.params,
            "response_type": "code",
            "client_id": connector.client_id,
            "redirect_uri": self._redirect_uri(provider),
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        if wanted.scope_param:
            # Nobody can connect an account for nothing: where none is needed, those that reach nothing are asked for.
            scopes = asked.permissions | provider.always or wanted.comes_along
            query[wanted.scope_param] = wanted.scope_separator.join(sorted(scopes))
        return f"{provider.url(wanted.authorize or '')}?{urlencode(query)}"

    async def finish_redirect(
        self, provider_name: str, answer: Mapping[str, str], session: str, subject: str
    ) -> str | None:
        """Take a browser's return from the provider; the handle of its question, or ``None`` when it is not this
        browser's, not this person's, answered before, or unknown: all alike."""
        state = answer.get("state", "")
        at = self.now()
        asked = await self.store.read(lambda c: requests.by_state(c, codes.hashed(state), at)) if state else None
        mine = asked and asked.flow and asked.flow.get("session") == session and asked.subject == subject
        if asked is None or not mine or asked.provider != provider_name:
            return None
        with self.transport.unbroken.section():  # a code works once
            return await self._redeemed(asked, answer, at)

    async def _redeemed(self, asked: ConsentRequest, answer: Mapping[str, str], at: datetime) -> str | None:
        asks = bool(answer.get("code")) and "error" not in answer
        if asked.sealed is None or not await self._spent(asked, codes.hashed(answer["state"]), at, asks=asks):
            return None
        provider, connector = self._of(asked)
        if "iss" in answer and answer["iss"].rstrip("/") not in provider.hosts.values():
            # An answer of another authorization server: a mix-up attack (RFC 9207 §2.4). Its code goes nowhere.
            await self.resolver.no_pair(asked.handle)
            await self.resolver.fail(asked.handle, "The answer did not come from the provider that was asked.")
        elif exchange.is_denial(answer.get("error")):
            await self.resolver.deny(asked, words=f"You said no at {provider.title}.")
        elif "error" in answer or not answer.get("code"):
            await self.resolver.fail(asked.handle, f"{provider.title} did not connect the account.")
        else:
            try:
                verifier = self.store.sealed.open(asked.sealed, *_identity(asked, "redirect", provider))
            except Unsealable:
                await self.resolver.no_pair(asked.handle)
                await self.resolver.fail(asked.handle, _CANNOT_GO_ON)
                return asked.handle
            try:
                tokens = await exchange.redeem(
                    self.transport,
                    provider,
                    connector,
                    code=answer["code"],
                    verifier=verifier,
                    redirect_uri=self._redirect_uri(provider),
                )
            except Unanswered as lost:
                await self.resolver.no_pair(asked.handle)
                await self._out_of_reach(asked, provider, lost)
            except ExchangeFailed as failure:
                if not isinstance(failure, ExchangeUnknown):
                    await self.resolver.no_pair(asked.handle)
                await self.resolver.fail(asked.handle, f"{provider.title} gave no access. Nothing was connected.")
            else:
                await self.resolver.tokens(asked, provider, connector, tokens)
        return asked.handle

    def expecting(self, asked: ConsentRequest, accounts: Mapping[str, str]) -> dict[str, Any]:
        """What the question says, with the account that the person's sign-in names, where the settings want one.

        Raises :class:`PolicyDenied` where it names none.
        """
        claim, title = self.account_claims.get(asked.provider), self.providers[asked.provider].title
        if claim is None:
            return asked.shown
        if asked.provider not in accounts:
            raise PolicyDenied(
                f"your sign-in does not say which account at {title} is yours: it has no claim {claim!r}.",
                rule="account-claim",
                do=f"Sign in again once the issuer says it (identity.account_claims.{asked.provider}).",
            )
        return asked.shown | {"account": accounts[asked.provider]}

    async def confirm(self, asked: ConsentRequest) -> None:
        """The person says that the account which the provider told is theirs."""
        await self.resolver.confirm(asked, *self._of(asked))

    async def granted_meanwhile(self, asked: ConsentRequest) -> bool:
        """Another question may have brought the same grant since this one was put."""
        provider = self.providers[asked.provider]
        grants = await self.resolver.grants.usable_of(asked.subject)
        return any(
            grant.connector == asked.connector
            and grant.environment == asked.environment
            and (provider.lending.style != "pass_through" or provider.covers(grant.permissions, asked.permissions))
            for grant in grants
        )

    async def _turn_to_poll(self, handle: str) -> Literal["first", "again"] | None:
        """Win the right to poll; ``again`` after a poll whose answer nobody got."""
        at = self.now()

        def work(connection: Connection) -> Literal["first", "again"] | None:
            asked = requests.get(connection, handle)
            if asked is None or not requests.lease_poll(connection, handle, at=at, until=at + _POLL_LEASE):
                return None
            return "first" if self._expect(connection, asked, at) else "again"

        return await self.store.write(work)

    async def _spent(self, asked: ConsentRequest, state_hash: str, at: datetime, *, asks: bool) -> bool:
        """Use up the state; ``asks``: tokens are asked for next."""

        def work(connection: Connection) -> bool:
            mine = requests.spend_state(connection, asked.handle, state_hash)
            if mine and asks:
                self._expect(connection, asked, at, apart=True)
            return mine

        return await self.store.write(work)

    def _expect(self, connection: Connection, asked: ConsentRequest, at: datetime, *, apart: bool = False) -> bool:
        """Tokens may come, and a crash may lose them; whether none were expected before."""
        grant = self.providers[asked.provider].grant
        return pending_pairs.expect(
            connection,
            pending_pairs.id_of(asked.handle),
            subject=asked.subject,
            environment=asked.environment,
            provider=asked.provider,
            connector=asked.connector,
            grant_id="",
            permissions=asked.permissions,
            resource="account:not known yet",
            lifetime=grant.refresh_lifetime if grant.rotates else grant.lifetime,
            apart=apart,
            at=at,
        )

    async def _started(
        self, flow: Generator[Send, device_flow.Body | None, device_flow.Started], url: str
    ) -> device_flow.Started:
        step = next(flow)
        while True:
            try:
                step = flow.send(await exchange.post(self.transport, url, step.form))
            except StopIteration as done:
                started: device_flow.Started = done.value
                return started

    async def _ended(self, asked: ConsentRequest, provider: Provider, ended: FlowEnded) -> None:
        if ended.why == "denied":
            await self.resolver.deny(asked, words=f"You said no at {provider.title}.")
        elif ended.why == "expired":
            await self.resolver.expire(asked.handle, f"The code at {provider.title} ran out.")
        elif ended.why == "settings":
            cure = _CURES.get(ended.word, f"correct connectors.{asked.connector}, or the app's registration there.")
            log.warning("a connector cannot connect accounts", connector=asked.connector, word=ended.word, cure=cure)
            words = (
                f"{provider.title} refuses the app of connector {asked.connector} ({ended.word}). An operator has to"
            )
            await self._end_by_settings(asked, f"{words} {cure}")
        else:
            await self.resolver.fail(asked.handle, f"{provider.title} ended the connection before it was made.")

    async def _out_of_reach(self, asked: ConsentRequest, provider: Provider, lost: Unanswered) -> None:
        told = out_of_reach(provider, lost).cause
        await self._end_by_settings(asked, f"{told} An operator has to change what loaner's log names.")

    async def _end_by_settings(self, asked: ConsentRequest, words: str) -> None:
        """Nobody who answers it can help, so the question ends."""
        await self.store.write(lambda c: requests.set_flow(c, asked.handle, flow={"settings": True}))
        await self.resolver.fail(asked.handle, words)

    def _of(self, asked: ConsentRequest) -> tuple[Provider, Connector]:
        return self.providers[asked.provider], self.connectors.named(asked.connector)

    def _redirect_uri(self, provider: Provider) -> str:
        return f"{self.base_url()}/callback/{provider.name}"


def _identity(asked: ConsentRequest, what: str, provider: Provider) -> tuple[str, ...]:
    """With the place, since what one host gave out is sent to no other."""
    return ("consents", asked.handle, asked.subject, asked.connector, what, provider.place)


def _form(step: Send | Wait) -> Mapping[str, str | Secret]:
    assert isinstance(step, Send)  # noqa: S101 - the generator alternates, and a test drives it through both
    return step.form
