"""Who sent an HTTP request: a checked access token, or one clear refusal that says where to get one.

RFC 6750 §3 for the challenges, RFC 9728 §5.1 for ``resource_metadata`` in them. The SDK's own middleware leaves out
``scope`` and calls a missing token an invalid one, so this door has its own.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Final

import structlog
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.context import ServerRequestContext
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from loaner.errors import InsufficientScope, NotAuthenticated
from loaner.identity.access_tokens import SignedClaims
from loaner.identity.caller import Caller, UnverifiedToken
from loaner.identity.issuer_keys import PAUSE, IssuerUnreachable
from loaner.identity.workloads import Checks

log = structlog.get_logger(__name__)

_CALLER: Final = "loaner.identity.caller"


class BearerDoor:
    """ASGI middleware: lets a request in with its :class:`Caller`, or answers 401, 403 or 503."""

    def __init__(
        self, app: ASGIApp, tokens: Checks, *, environment: str, requested_scope: str, resource_metadata: str
    ) -> None:
        self._app = app
        self._tokens = tokens
        self._environment = environment
        self._scope = requested_scope
        self._metadata = resource_metadata

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = _bearer(scope)
        if given is None:
            await self._challenge(401)(scope, receive, send)
            return
        try:
            claims = await self._tokens.check(given)
        except NotAuthenticated as refused:
            log.warning("refused an access token", peer=_peer(scope), reason=refused.log)
            await self._challenge(401, "invalid_token", refused.cause)(scope, receive, send)
            return
        except InsufficientScope as refused:
            log.warning("refused an access token", peer=_peer(scope), reason=refused.log)
            await self._challenge(403, refused.code, refused.cause)(scope, receive, send)
            return
        except IssuerUnreachable as away:
            log.warning("cannot check access tokens", reason=str(away))
            await JSONResponse(
                {"error": "temporarily_unavailable", "error_description": "access tokens cannot be checked right now."},
                503,
                {"Retry-After": str(round(PAUSE.total_seconds()))},
            )(scope, receive, send)
            return
        scope[_CALLER] = claims.caller(environment=self._environment, origin=f"{_peer(scope)} (HTTP)")
        scope["user"] = AuthenticatedUser(_principal(claims))
        await self._app(scope, receive, send)

    def _challenge(self, status: int, error: str = "", words: str = "") -> JSONResponse:
        """Without a token there is no ``error``: the client has done nothing wrong yet (RFC 6750 §3.1)."""
        told = {"error": error, "error_description": words} if error else {}
        parameters = told | {"scope": self._scope, "resource_metadata": self._metadata}
        challenge = "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parameters.items())
        return JSONResponse(told, status, {"WWW-Authenticate": challenge})


def caller_of(ctx: ServerRequestContext[Any, Any]) -> Caller:
    """The caller of this very request. Not of the session's first one: another person's token may have opened it."""
    return caller_in(ctx.request.scope if ctx.request is not None else {})


def caller_in(scope: MutableMapping[str, Any]) -> Caller:
    """Whom the door let in with this request."""
    caller = scope.get(_CALLER)
    if not isinstance(caller, Caller):
        raise NotAuthenticated("nobody is signed in.", log="a request reached the server past the door")
    return caller


def _bearer(scope: Scope) -> UnverifiedToken | None:
    given = Headers(scope=scope).getlist("authorization")
    if len(given) != 1:
        return None
    scheme, _, token = given[0].partition(" ")
    return UnverifiedToken(token.strip()) if scheme.lower() == "bearer" and token.strip() else None


def _principal(claims: SignedClaims) -> AccessToken:
    """For the SDK, which ties a session to who opened it. It gets no token, only a fingerprint."""
    return AccessToken(
        token=claims.fingerprint,
        client_id=claims.agent.key,
        scopes=sorted(claims.scopes),
        expires_at=int(claims.expires_at.timestamp()),
        subject=claims.subject.sub,
        claims={"iss": claims.subject.issuer},
    )


def _peer(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "an unknown address"
