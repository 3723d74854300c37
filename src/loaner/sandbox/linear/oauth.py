"""``/oauth/token`` and ``/oauth/revoke`` (https://linear.app/developers/oauth-2-0-authentication)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from hmac import compare_digest

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from loaner.sandbox.linear.authorize import Ask, Codes
from loaner.sandbox.linear.desk import Desk
from loaner.sandbox.linear.registered import CLIENT_ID, CLIENT_SECRET
from loaner.sandbox.linear.tokens import Pair, bearer

_FORM = "application/x-www-form-urlencoded"


class OAuthError(Exception):
    """One error of RFC 6749 section 5.2, in its own words."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        self.status = status

    def response(self) -> Response:
        body = {"error": self.error, "error_description": self.description}
        return JSONResponse(body, self.status, headers={"cache-control": "no-store"})


class OAuth:
    def __init__(self, desk: Desk, codes: Codes) -> None:
        self._desk = desk
        self._codes = codes

    def routes(self) -> list[Route]:
        return [
            Route("/oauth/token", self._token, methods=["POST"]),
            Route("/oauth/revoke", self._revoke, methods=["POST"]),
        ]

    async def _token(self, request: Request) -> Response:
        try:
            pair = self._exchange(await _form(request))
        except OAuthError as error:
            return error.response()
        return JSONResponse(pair.as_json(), headers={"cache-control": "no-store"})

    def _exchange(self, form: Mapping[str, str]) -> Pair:
        grant_type = form.get("grant_type")
        if grant_type == "client_credentials":
            # Word for word: this is what an app without that switch is told.
            raise OAuthError("Error", "Client does not support the client_credentials grant type")
        if grant_type not in {"authorization_code", "refresh_token"}:
            raise OAuthError("unsupported_grant_type", "Unsupported grant_type")
        has_secret = _client(form)
        if grant_type == "authorization_code":
            return self._redeem(form, has_secret=has_secret)
        return self._refresh(form, has_secret=has_secret)

    def _redeem(self, form: Mapping[str, str], *, has_secret: bool) -> Pair:
        # Taken out at once: whatever is wrong with the rest, this code is spent.
        code = self._codes.spend(form.get("code", ""))
        if code is None:
            raise OAuthError("invalid_grant", "The authorization code is invalid, was used or has expired")
        if form.get("redirect_uri") != code.ask.redirect_uri:
            raise OAuthError("invalid_grant", "redirect_uri is not the one of the authorization request")
        public = code.ask.challenge is not None
        if not has_secret and not public:
            raise OAuthError("invalid_client", "client_secret is required without PKCE", 401)
        if not _proven(code.ask, form.get("code_verifier")):
            raise OAuthError("invalid_grant", "code_verifier does not match")
        return self._desk.tokens.authorize(code.person, code.ask.scopes, actor=code.ask.actor, needs_secret=not public)

    def _refresh(self, form: Mapping[str, str], *, has_secret: bool) -> Pair:
        entry = self._desk.tokens.find(form.get("refresh_token", ""))
        ledger = self._desk.sandbox.ledger
        if entry is None or entry.kind != "refresh":
            raise OAuthError("invalid_grant", "Token has been expired or revoked.")
        refusal = None
        if entry.facts["needs_secret"] and not has_secret:
            refusal = OAuthError("invalid_client", "client_secret is required without PKCE", 401)
        elif not ledger.is_alive(entry):
            refusal = OAuthError("invalid_grant", "Token has been expired or revoked.")
        ledger.used(entry, method="POST", path="/oauth/token", status=refusal.status if refusal else 200)
        if refusal:
            raise refusal
        return self._desk.tokens.refresh(entry)

    async def _revoke(self, request: Request) -> Response:
        """200, then 400 for the same token: unlike RFC 7009, a second time is an error."""
        try:
            token = _revoked(request, await _form(request))
        except OAuthError as error:
            return error.response()
        entry = self._desk.tokens.find(token) if token else None
        if entry is None:
            return OAuthError("invalid_token", "Unable to authenticate", 401).response()
        if not self._desk.tokens.revoke(entry):
            return OAuthError("invalid_request", "Unable to revoke token: it is dead already").response()
        return JSONResponse({"success": True})


def _client(form: Mapping[str, str]) -> bool:
    """Whether the app proved itself with its secret; a wrong one is worse than none."""
    if form.get("client_id") != CLIENT_ID:
        raise OAuthError("invalid_client", "Unknown client", 401)
    secret = form.get("client_secret")
    if secret and not compare_digest(secret.encode(), CLIENT_SECRET.encode()):
        raise OAuthError("invalid_client", "Wrong client_secret", 401)
    return bool(secret)


def _proven(ask: Ask, verifier: str | None) -> bool:
    """RFC 7636 section 4.6. A verifier without a challenge is a downgraded request (RFC 9700 section 4.8.2)."""
    if ask.challenge is None or verifier is None:
        return ask.challenge is None and verifier is None
    shown = verifier
    if ask.method == "S256":
        shown = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return compare_digest(shown.encode(), ask.challenge.encode())


def _revoked(request: Request, form: Mapping[str, str]) -> str | None:
    """The one token named: ``token``, or the older ``access_token``, ``refresh_token`` or ``Authorization`` header."""
    named = [form[name] for name in ("token", "access_token", "refresh_token") if form.get(name)]
    if header := bearer(request):
        named.append(header)
    if len(named) > 1:
        raise OAuthError("invalid_request", "Name the token once")
    if form.get("token_type_hint", "access_token") not in {"access_token", "refresh_token"}:
        raise OAuthError("unsupported_token_type", "Unknown token_type_hint")
    return named[0] if named else None


async def _form(request: Request) -> dict[str, str]:
    kind = request.headers.get("content-type", _FORM).split(";")[0].strip().lower()
    if kind != _FORM:
        raise OAuthError("invalid_request", f"The body is to be {_FORM}")
    items = (await request.form()).multi_items()
    if len({name for name, _ in items}) != len(items):  # RFC 6749 section 3.2: parameters come once
        raise OAuthError("invalid_request", "A parameter is repeated")
    return {name: value for name, value in items if isinstance(value, str)}
