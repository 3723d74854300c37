"""Tokens that only their issuer can read: it is asked about them (RFC 7662).

The answer is kept for a moment, and never beyond the token's own end: within that moment a revoked token still counts.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Any, Final

import anyio
import httpx2

from loaner.clock import Now
from loaner.identity.client_auth import Client
from loaner.identity.issuer_keys import TIMEOUT, IssuerKeys, IssuerUnreachable, read_json
from loaner.identity.jwt_checks import Rejected, is_instant, shown
from loaner.secret import fingerprint
from loaner.settings import resolve
from loaner.settings.identity import IntrospectionSettings

KEPT: Final = timedelta(minutes=1)
KEPT_INACTIVE: Final = timedelta(seconds=10)
"""A client that goes on with a token that is over does not make us ask each time."""
_REMEMBERED: Final = 4096
_AT_ONCE: Final = 8
"""Questions under way: invented tokens must not become a flood at the issuer."""
_Answers = OrderedDict[str, tuple[datetime, dict[str, Any]]]


class Introspection:
    """Asks the issuer about one token. Raises :class:`SettingsInvalid` for a secret that is not there."""

    def __init__(self, settings: IntrospectionSettings, keys: IssuerKeys, now: Now) -> None:
        secret = resolve(settings.client_secret, setting="identity.introspection.client_secret")
        self._client = Client(settings.client_id, secret, settings.client_auth)
        self._endpoint = settings.endpoint
        self._keys = keys
        self._now = now
        self._active: _Answers = OrderedDict()
        self._inactive: _Answers = OrderedDict()  # of their own, so that invented tokens push out no real one
        self._asking = anyio.Semaphore(_AT_ONCE)
        self._asking_again = anyio.Semaphore(_AT_ONCE)  # of their own too: those wait behind no invented one
        self._were_active: OrderedDict[str, None] = OrderedDict()

    async def claims(self, token: str) -> dict[str, Any]:
        """What the issuer says of an active token, with an end in any case.

        Raises :class:`Rejected` for one that is not active, and :class:`IssuerUnreachable` without an answer.
        """
        name, now = fingerprint(token), self._now()
        claims = _kept(self._active, name, now) or _kept(self._inactive, name, now)
        if claims is None:
            try:
                with anyio.fail_after(TIMEOUT):
                    async with self._asking_again if name in self._were_active else self._asking:
                        claims = await self._ask(token)
            except TimeoutError:
                raise IssuerUnreachable(f"the introspection endpoint did not answer within {TIMEOUT:g} s") from None
            except httpx2.HTTPError as failure:
                raise IssuerUnreachable(f"introspection: {failure or type(failure).__name__}") from None
            self._keep(name, claims, now)
        if claims.get("active") is not True:
            raise Rejected("active", "the issuer says that this token is not active")
        if claims.get("iss", self._keys.issuer) != self._keys.issuer:
            raise Rejected("iss", shown(claims["iss"]))
        asked_at = now.timestamp()
        return {"iat": asked_at, "exp": asked_at + KEPT.total_seconds(), **claims}

    async def _ask(self, token: str) -> dict[str, Any]:
        metadata = {} if self._endpoint else await self._keys.metadata()
        url = self._endpoint or await self._keys.endpoint("introspection_endpoint")
        asked = {"token": token, "token_type_hint": "access_token"}
        form, headers = self._client.proven(asked, metadata.get("introspection_endpoint_auth_methods_supported"))
        async with self._keys.client(url).stream("POST", url, data=form, headers=headers) as answer:
            if answer.status_code in {httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN}:
                raise IssuerUnreachable(
                    f"the introspection endpoint refuses this client (status {answer.status_code}): compare "
                    "identity.introspection with what is registered"
                )
            return await read_json(answer)

    def _keep(self, name: str, claims: dict[str, Any], now: datetime) -> None:
        active = claims.get("active") is True
        answers, until = (self._active, now + KEPT) if active else (self._inactive, now + KEPT_INACTIVE)
        ends = claims.get("exp")
        if active and is_instant(ends):
            until = min(until, datetime.fromtimestamp(ends, now.tzinfo))
        if active:
            self._were_active[name] = None
            self._were_active.move_to_end(name)
            if len(self._were_active) > _REMEMBERED:
                self._were_active.popitem(last=False)
        answers[name] = until, claims
        if len(answers) > _REMEMBERED:
            answers.popitem(last=False)


def _kept(answers: _Answers, name: str, now: datetime) -> dict[str, Any] | None:
    until, claims = answers.get(name, (now, None))
    if now < until:
        return claims
    answers.pop(name, None)
    return None
