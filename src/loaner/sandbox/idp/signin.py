"""Signing in: authorization code with PKCE, which this provider insists on (RFC 9700 section 2.1.1)."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from loaner.sandbox.idp.keys import Signer
from loaner.sandbox.idp.registered import CLIENTS, Clients, proven
from loaner.sandbox.idp.tokens import ACCESS_TYPE, LIFE, SCOPE, access_claims, id_claims
from loaner.sandbox.login import hidden, page, sign_in_page, signed_in
from loaner.sandbox.world import Person

CODE_LIFE = timedelta(minutes=1)
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Ask:
    client_id: str
    redirect_uri: str
    state: str
    nonce: str
    challenge: str
    scopes: tuple[str, ...]
    resource: str
    """What the access token is to be for (RFC 8707); empty for the client itself."""


@dataclass(frozen=True)
class Code:
    ask: Ask
    person: Person
    expires_at: datetime


class SignIn:
    """The authorization and token endpoints of one issuer."""

    def __init__(
        self, issuer: Callable[[], str], signer: Signer, now: Callable[[], datetime], clients: Clients
    ) -> None:
        self._issuer = issuer
        self._clients = clients
        self._signer = signer
        self._now = now
        self._pending: dict[str, tuple[Person, Ask]] = {}
        self._codes: dict[str, Code] = {}
        self.id_changes: Mapping[str, object] = {}
        """What every ID token says instead, as some providers do; ``None`` removes a claim."""

    async def authorize(self, request: Request) -> Response:
        query = request.query_params
        redirect_uri, state = query.get("redirect_uri", ""), query.get("state", "")
        client_id, scopes = query.get("client_id", ""), tuple(query.get("scope", "").split())
        shown = await self._clients.shown(client_id, redirect_uri)
        if shown is None:
            return page("Sign-in refused", "<p>Unknown client or redirect URI.</p>", status=400)
        if error := _wrong(query, scopes, for_pages=_is_for_pages(client_id)):
            return self._back(redirect_uri, state, error=error)
        person = signed_in(request, "idp")
        if person is None:
            return sign_in_page(request, "idp")
        number = secrets.token_urlsafe(16)
        asked = Ask(
            client_id,
            redirect_uri,
            state,
            query.get("nonce", ""),
            query["code_challenge"],
            scopes,
            query.get("resource", ""),
        )
        self._pending[number] = (person, asked)
        return page(
            f"Continue to {'loaner' if _is_for_pages(client_id) else shown}",
            f"<p>Signed in as {escape(person.login)}. The answer goes to {escape(urlsplit(redirect_uri).netloc)}.</p>"
            f'<form method="post" action="/idp/continue">{hidden({"request": number})}'
            '<button type="submit" name="decision" value="continue">Continue</button></form>',
        )

    async def proceed(self, request: Request) -> Response:
        form = await request.form()
        person, asked = self._pending.pop(str(form.get("request", "")), (None, None))
        if asked is None or person is None or signed_in(request, "idp") != person:
            return page("Sign-in refused", "<p>This request is not known any more.</p>", status=400)
        code = secrets.token_urlsafe(32)
        self._codes[code] = Code(asked, person, self._now() + CODE_LIFE)
        return self._back(asked.redirect_uri, asked.state, code=code)

    def _back(self, redirect_uri: str, state: str, **answer: str) -> Response:
        """To the client, with the issuer named against mix-ups (RFC 9207)."""
        query = answer | {"iss": self._issuer()} | ({"state": state} if state else {})
        return RedirectResponse(f"{redirect_uri}?{urlencode(query)}", status_code=303)

    async def token(self, request: Request) -> Response:
        form = {key: str(value) for key, value in (await request.form()).items()}
        client_id = proven(form, request.headers.get("authorization", ""))
        if client_id is None:
            return _refused("invalid_client", status=401)
        if form.get("grant_type") != "authorization_code":
            return _refused("unsupported_grant_type")
        # Taken out before it is checked: a code is good for one attempt.
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or code.expires_at <= self._now() or not _fits(form, client_id, code.ask):
            return _refused("invalid_grant")
        resource = code.ask.resource
        if resource and form.get("resource", resource) != resource:
            return _refused("invalid_target")  # section 2.2 of RFC 8707
        audience = form.get("resource") or resource or client_id
        return JSONResponse(self._tokens(code, audience), headers={"cache-control": "no-store"})

    def _tokens(self, code: Code, audience: str) -> dict[str, object]:
        client_id, scopes, now = code.ask.client_id, code.ask.scopes, self._now()
        if _is_for_pages(client_id):
            scopes, changes = (*scopes, SCOPE), None
        else:
            changes = {"scope": " ".join(scopes), "act": None}  # nobody exchanged anything
        access = access_claims(
            self._issuer(), code.person, agent=client_id, audience=audience, now=now, changes=changes
        )
        tokens: dict[str, object] = {
            "access_token": self._signer.sign(access, header={"typ": ACCESS_TYPE}),
            "token_type": "Bearer",
            "expires_in": int(LIFE.total_seconds()),
            "scope": " ".join(scopes),
        }
        if "openid" in scopes:
            tokens["id_token"] = self._signer.sign(self._id_claims(code, now), header={"typ": "JWT"})
        return tokens

    def _id_claims(self, code: Code, now: datetime) -> dict[str, object]:
        asked = code.ask
        claims = id_claims(self._issuer(), code.person, client_id=asked.client_id, nonce=asked.nonce, now=now)
        return {name: value for name, value in {**claims, **self.id_changes}.items() if value is not None}


def _is_for_pages(client_id: str) -> bool:
    return client_id in CLIENTS and CLIENTS[client_id].signs_in


def _wrong(query: Mapping[str, str], scopes: tuple[str, ...], *, for_pages: bool) -> str | None:
    """The error that a request for a sign-in goes back with."""
    if query.get("response_type") != "code":
        return "unsupported_response_type"
    if query.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(query.get("code_challenge", "")):
        return "invalid_request"
    if not set(scopes) & ({"openid"} if for_pages else {"openid", SCOPE}):
        return "invalid_scope"
    return None if _names_a_resource(query.get("resource", "")) else "invalid_target"


def _fits(form: Mapping[str, str], client_id: str, ask: Ask) -> bool:
    """Whoever redeems a code is who asked for it (RFC 6749 section 4.1.3, RFC 7636 section 4.6)."""
    if (ask.client_id, ask.redirect_uri) != (client_id, form.get("redirect_uri")):
        return False
    return secrets.compare_digest(_challenge_of(form.get("code_verifier", "")), ask.challenge)


def _names_a_resource(resource: str) -> bool:
    """Nothing, or an absolute URI without a fragment (RFC 8707 section 2)."""
    parts = urlsplit(resource)
    return not resource or (bool(parts.scheme and parts.netloc) and "#" not in resource)


def _refused(error: str, status: int = 400) -> Response:
    return JSONResponse({"error": error}, status_code=status, headers={"cache-control": "no-store"})


def _challenge_of(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
