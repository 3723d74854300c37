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
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from loaner.sandbox.idp.keys import Signer
from loaner.sandbox.idp.registered import CLIENTS, proven, redirect_allowed
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
    scope: str


@dataclass(frozen=True)
class Code:
    ask: Ask
    person: Person
    expires_at: datetime


class SignIn:
    """The authorization and token endpoints of one issuer."""

    def __init__(self, issuer: Callable[[], str], signer: Signer, now: Callable[[], datetime]) -> None:
        self._issuer = issuer
        self._signer = signer
        self._now = now
        self._pending: dict[str, tuple[Person, Ask]] = {}
        self._codes: dict[str, Code] = {}
        self.id_changes: Mapping[str, object] = {}
        """What every ID token says instead, as some providers do; ``None`` removes a claim."""

    async def authorize(self, request: Request) -> Response:
        query = request.query_params
        redirect_uri, state = query.get("redirect_uri", ""), query.get("state", "")
        client_id = query.get("client_id", "")
        if client_id not in CLIENTS or not redirect_allowed(redirect_uri):
            return page("Sign-in refused", "<p>Unknown client or redirect URI.</p>", status=400)
        challenge = query.get("code_challenge", "")
        if query.get("response_type") != "code":
            return self._back(redirect_uri, state, error="unsupported_response_type")
        if query.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
            return self._back(redirect_uri, state, error="invalid_request")
        if "openid" not in query.get("scope", "").split():
            return self._back(redirect_uri, state, error="invalid_scope")
        person = signed_in(request, "idp")
        if person is None:
            return sign_in_page(request, "idp")
        number = secrets.token_urlsafe(16)
        asked = Ask(client_id, redirect_uri, state, query.get("nonce", ""), challenge, query["scope"])
        self._pending[number] = (person, asked)
        return page(
            "Continue to loaner",
            f"<p>Signed in as {escape(person.login)}.</p>"
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
        if code is None or code.expires_at <= self._now():
            return _refused("invalid_grant")
        if (code.ask.client_id, code.ask.redirect_uri) != (client_id, form.get("redirect_uri")):
            return _refused("invalid_grant")
        if not secrets.compare_digest(_challenge_of(form.get("code_verifier", "")), code.ask.challenge):
            return _refused("invalid_grant")
        audience = form.get("resource") or client_id
        issuer, now = self._issuer(), self._now()
        answer = {
            "access_token": self._signer.sign(
                access_claims(issuer, code.person, agent=client_id, audience=audience, now=now),
                header={"typ": ACCESS_TYPE},
            ),
            "id_token": self._signer.sign(
                self._id_claims(code, now),
                header={"typ": "JWT"},
            ),
            "token_type": "Bearer",
            "expires_in": int(LIFE.total_seconds()),
            "scope": f"{code.ask.scope} {SCOPE}",
        }
        return JSONResponse(answer, headers={"cache-control": "no-store"})

    def _id_claims(self, code: Code, now: datetime) -> dict[str, object]:
        asked = code.ask
        claims = id_claims(self._issuer(), code.person, client_id=asked.client_id, nonce=asked.nonce, now=now)
        return {name: value for name, value in {**claims, **self.id_changes}.items() if value is not None}


def _refused(error: str, status: int = 400) -> Response:
    return JSONResponse({"error": error}, status_code=status, headers={"cache-control": "no-store"})


def _challenge_of(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
