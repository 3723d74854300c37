"""The token endpoints: a code or a refresh token for a user token.

``oauth.v2.user.access`` is for apps that want a user token alone
(https://docs.slack.dev/reference/methods/oauth.v2.user.access); ``oauth.v2.access`` nests the same under
``authed_user`` (https://docs.slack.dev/reference/methods/oauth.v2.access).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from loaner.sandbox.slack.arguments import Arguments, read
from loaner.sandbox.slack.errors import SlackError
from loaner.sandbox.slack.registered import APP_ID, CLIENT_ID, CLIENT_SECRET, TEAM_ID, TEAM_NAME
from loaner.sandbox.slack.shapes import Json
from loaner.sandbox.slack.tokens import Issued

if TYPE_CHECKING:
    from loaner.sandbox.slack.authorize import Codes
    from loaner.sandbox.slack.workspace import Workspace

Door = Literal["oauth.v2.user.access", "oauth.v2.access"]


class TokenEndpoint:
    def __init__(self, workspace: Workspace, codes: Codes, door: Door) -> None:
        self._workspace = workspace
        self._codes = codes
        self._door = door

    async def answer(self, request: Request) -> Response:
        try:
            args, _ = await read(request, accepts_json=False)
            answer: Json = {"ok": True} | self._answer(request, args)
        except SlackError as error:
            answer = error.as_json()
        # RFC 6749 section 5.1: what carries a token is not to be cached.
        return JSONResponse(answer, headers={"cache-control": "no-store"})

    def _answer(self, request: Request, args: Arguments) -> Json:
        has_secret = _client(request, args)
        grant_type = args.text("grant_type", "authorization_code")
        if grant_type == "refresh_token":
            token = args.text("refresh_token")
            if not has_secret and not self._workspace.tokens.is_public(token):
                raise SlackError("bad_client_secret")
            return self._shape(self._workspace.tokens.refresh(token), refreshed=True)
        if grant_type != "authorization_code":
            raise SlackError("invalid_grant_type")
        return self._shape(self._exchange(args, has_secret=has_secret), refreshed=False)

    def _exchange(self, args: Arguments, *, has_secret: bool) -> Issued:
        if not has_secret and not self._workspace.sandbox.switches.slack_public_app:
            raise SlackError("bad_client_secret")
        # Taken out at once: whatever is wrong with the rest, this code is spent.
        code = self._codes.spend(args.text("code"))
        if code is None or code.door != self._door:
            raise SlackError("invalid_code")
        if args.text("redirect_uri") != code.redirect_uri:
            raise SlackError("bad_redirect_uri")
        verifier = args.text("code_verifier")
        if code.challenge is None:
            # A verifier without a challenge is a downgraded request (RFC 9700 section 4.8.2).
            if verifier or not has_secret:
                raise SlackError("invalid_code_verifier")
        elif not secrets.compare_digest(challenge_of(verifier), code.challenge):
            raise SlackError("invalid_code_verifier")
        return self._workspace.tokens.authorize(code.member, code.scopes, public=not has_secret)

    def _shape(self, issued: Issued, *, refreshed: bool) -> Json:
        """The documents give no example for a user-only exchange, so which shape it has is a switch."""
        common: Json = {
            "app_id": APP_ID,
            "team": {"id": TEAM_ID, "name": TEAM_NAME},
            "enterprise": None,
            "is_enterprise_install": False,
        }
        token: Json = {"access_token": issued.access, "token_type": "user", "scope": ",".join(issued.scopes)}
        if issued.refresh is not None:
            token |= {"refresh_token": issued.refresh, "expires_in": issued.expires_in}
        flat = {**common, **token, "user_id": issued.member.id}
        nested = {**common, "authed_user": {"id": issued.member.id, **token}}
        if refreshed:
            return flat
        if self._door == "oauth.v2.access":
            return nested
        shape = self._workspace.sandbox.switches.slack_user_access_shape
        return {"flat": flat, "nested": nested}.get(shape, nested | flat)


def challenge_of(verifier: str) -> str:
    """The S256 code challenge of a verifier (RFC 7636 section 4.2)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _client(request: Request, args: Arguments) -> bool:
    """Check who asks; whether it proved so with the secret.

    Raises:
        SlackError: ``invalid_client_id`` or ``bad_client_secret``.
    """
    client_id, secret = args.text("client_id"), args.text("client_secret")
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client_id, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise SlackError("invalid_client_id") from error
        client_id, secret = unquote(client_id), unquote(secret)
    if client_id != CLIENT_ID:
        raise SlackError("invalid_client_id")
    if secret and not secrets.compare_digest(secret.encode(), CLIENT_SECRET.encode()):
        raise SlackError("bad_client_secret")
    return bool(secret)
