"""Whose browser is it? On one computer, the person at it; on a server, whoever the issuer says."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from loaner.characters import hides
from loaner.clock import Now
from loaner.grants import pkce
from loaner.identity import jwt_checks, token_claims
from loaner.identity.caller import Subject
from loaner.identity.client_auth import Client
from loaner.identity.issuer_keys import IssuerKeys, IssuerUnreachable
from loaner.loopback import is_loopback
from loaner.provider_call import ProviderTransport, Unanswered
from loaner.secret import Secret
from loaner.settings import IdentitySettings
from loaner.web.local_peer import is_another_user
from loaner.web.sessions import Session, SignedIn

_TYPING = 120
"""Seconds from the person's answer to the issuer until its token is here."""
_BROWSER, _ISSUER = "local-browser", "oidc"
"""How a session was proven."""


class SignInFailed(Exception):
    """The issuer does not vouch for this browser. The text is for the log."""


@dataclass(frozen=True)
class LocalIdentity:
    """The one person of this computer: any browser on loopback is theirs.

    It keeps out other hosts, other sites and, on Linux, other users of the computer; not other programs of the same
    user: an agent that runs commands could submit the form. The record says ``local-browser``, and a passkey can
    stand in its place.
    """

    person: Subject

    def admits(self, request: Request) -> bool:
        return _is_here(request)

    def vouches(self, session: Session) -> bool:
        return session.proven_by == _BROWSER and session.subject == self.person

    def first_visit(self, request: Request) -> SignedIn | None:
        return SignedIn(self.person, self.person.sub, _BROWSER) if self.admits(request) else None

    async def sign_in_url(self, browser: str, state: str) -> str:  # noqa: ARG002 - there is nowhere to sign in
        raise SignInFailed("pages of a local loaner are for this computer only")

    async def signed_in(self, answer: dict[str, str], browser: str, state: str) -> SignedIn:  # noqa: ARG002
        raise SignInFailed("there is no issuer")


@dataclass(frozen=True)
class OidcIdentity:
    """The same issuer whose access tokens the MCP door accepts (OpenID Connect Core 1.0 §3.1, RFC 7636).

    Verifier and nonce are derived from the browser's cookie, so that only the browser that left can come back, and
    nothing secret has to be stored.
    """

    settings: IdentitySettings
    keys: IssuerKeys
    transport: ProviderTransport
    base_url: Callable[[], str]
    now: Now
    secret: Secret | None = None
    """Of the client of the pages, where it is a confidential one."""
    fresh: bool = False
    """The issuer must ask again who is there, however lately it did (OpenID Connect Core 1.0 §3.1.2.1)."""

    def admits(self, request: Request) -> bool:  # noqa: ARG002 - whoever it is has to sign in
        return True

    def vouches(self, session: Session) -> bool:
        return session.proven_by == _ISSUER and (
            session.subject is None or session.subject.issuer == self.settings.issuer
        )

    def first_visit(self, request: Request) -> SignedIn | None:  # noqa: ARG002 - nobody is known by where they are
        return None

    async def sign_in_url(self, browser: str, state: str) -> str:
        query = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self._redirect_uri(),
            "scope": "openid profile",
            "state": state,
            "nonce": _derived("nonce", browser, state),
            "code_challenge": pkce.challenge_of(_derived("verifier", browser, state)),
            "code_challenge_method": "S256",
        } | ({"prompt": "login", "max_age": "0"} if self.fresh else {})
        return f"{await self._endpoint('authorization_endpoint')}?{urlencode(query)}"

    async def signed_in(self, answer: dict[str, str], browser: str, state: str) -> SignedIn:
        if answer.get("iss", self.settings.issuer) != self.settings.issuer:
            raise SignInFailed("answer of another issuer")  # RFC 9207 §2.4
        if "error" in answer or not answer.get("code"):
            raise SignInFailed("the issuer gave no code")
        form = {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "redirect_uri": self._redirect_uri(),
            "code_verifier": _derived("verifier", browser, state),
        }
        token = await self._redeemed(form)
        claims = await self._claims(token, _derived("nonce", browser, state))
        asked_at, now = claims.get("auth_time"), self.now().timestamp()
        if self.fresh and (
            not jwt_checks.is_instant(asked_at) or not now - _TYPING <= asked_at <= now + jwt_checks.SKEW
        ):
            raise SignInFailed("ID token: auth_time")
        display = claims.get("preferred_username") or claims.get("name")
        shown = display if isinstance(display, str) and not hides(display) else ""
        named = {at: claims.get(claim) for at, claim in self.settings.account_claims.items()}
        accounts = {
            at: name for at, name in named.items() if isinstance(name, str) and name.strip() and not hides(name)
        }
        return SignedIn(Subject(self.settings.issuer, self._person(claims)), shown, _ISSUER, accounts)

    async def _redeemed(self, form: dict[str, str]) -> str:
        """The ID token that a code is good for."""
        endpoint = await self._endpoint("token_endpoint")
        offered = (await self.keys.metadata()).get("token_endpoint_auth_methods_supported")
        client = Client(self.settings.client_id, self.secret, self.settings.client_auth)
        body, headers = client.proven(form, offered)
        try:
            tokens = await self.transport.exchange("POST", endpoint, form=body, headers=headers)
        except Unanswered:
            raise SignInFailed("the token endpoint did not answer") from None
        said = tokens.body if isinstance(tokens.body, dict) else {}
        token = said.get("id_token")
        if tokens.status == HTTPStatus.OK and isinstance(token, str):
            return token
        error = jwt_checks.shown(said.get("error"))
        reason = f"the token endpoint answered {tokens.status} without an ID token (error {error})"
        if said.get("error") == "invalid_client":
            used = client.uses(offered)
            reason += f"; see identity.client_id and client_secret: {client.id!r} proved itself by {used}"
        raise SignInFailed(reason)

    def _person(self, claims: dict[str, Any]) -> str:
        try:
            return token_claims.subject_of(claims, self.settings.page_subject_claim)
        except jwt_checks.Rejected as failure:
            cure = f"; see identity.page_{failure.cure}" if failure.cure else ""
            raise SignInFailed(f"ID token: {failure.check}: {failure.found}{cure}") from None

    async def _claims(self, token: str, nonce: str) -> dict[str, Any]:
        """Check an ID token (OpenID Connect Core 1.0 §3.1.3.7) as strictly as an access token."""
        try:
            header = jwt_checks.header_of(token)
            # An access token of the same issuer is no proof of a sign-in; an ID token need not say what it is.
            algorithm = jwt_checks.algorithm_of(header, algorithms=self.settings.algorithms, types=("jwt", None))
            claims = jwt_checks.verified(
                token,
                await self.keys.key(jwt_checks.key_id_of(header), algorithm),
                algorithm,
                issuer=self.settings.issuer,
                audience=self.settings.client_id,
                require=("iss", "aud", "sub", "exp", "iat", "nonce"),
            )
            expires = token_claims.valid_until(claims, self.now().timestamp())
        except jwt_checks.Rejected as failure:
            raise SignInFailed(f"ID token: {failure}") from None
        except IssuerUnreachable:
            raise SignInFailed("the issuer's keys cannot be had") from None
        if expires <= self.now().timestamp():
            raise SignInFailed("ID token: expired")
        if isinstance(claims["aud"], list) and claims.get("azp") != self.settings.client_id:
            raise SignInFailed("ID token: azp")
        if not hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
            raise SignInFailed("ID token: nonce")
        return claims

    async def _endpoint(self, name: str) -> str:
        try:
            return await self.keys.endpoint(name)
        except IssuerUnreachable as away:
            raise SignInFailed(f"the issuer: {away}") from None

    def _redirect_uri(self) -> str:
        return f"{self.base_url()}/signin/callback"


@dataclass(frozen=True)
class SignedInHere:
    """The one person of this computer, who has to sign in with the issuer all the same: what an agent that shares
    their shell cannot do without their password or key."""

    issuer: OidcIdentity
    person: Subject
    sub: str
    """Who that is at the issuer."""
    anywhere: bool = False
    """Their browser may be on another computer than loaner, as where that runs in a container."""

    def admits(self, request: Request) -> bool:
        return self.anywhere or _is_here(request)

    def vouches(self, session: Session) -> bool:
        return session.proven_by == _ISSUER and session.subject == self.person

    def first_visit(self, request: Request) -> SignedIn | None:  # noqa: ARG002 - being on this computer is not enough
        return None

    async def sign_in_url(self, browser: str, state: str) -> str:
        return await self.issuer.sign_in_url(browser, state)

    async def signed_in(self, answer: dict[str, str], browser: str, state: str) -> SignedIn:
        who = await self.issuer.signed_in(answer, browser, state)
        if who.subject.sub != self.sub:
            raise SignInFailed("somebody else than the person of this computer")
        return SignedIn(self.person, who.display, who.proven_by, who.accounts)


def _is_here(request: Request) -> bool:
    """Does this very request come from this person's own programs? Asked each time: a cookie goes to every port of the
    computer, another user's included, so having one proves nothing about who sends it."""
    peer, here = request.client, request.scope.get("server") or ("", 0)
    if peer is None or not is_loopback(peer.host):
        return False
    return not is_another_user((peer.host, peer.port), (here[0], here[1]))


def _derived(purpose: str, browser: str, state: str) -> str:
    """43 URL-safe characters that only the holder of the cookie could have made (RFC 7636 §4.1)."""
    digest = hmac.digest(browser.encode(), f"loaner {purpose}\x00{state}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
