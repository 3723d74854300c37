"""Tokens that say nothing by themselves, and the endpoint that says what they are (RFC 7662)."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from loaner.sandbox.idp.registered import CLIENTS, proven

SECRET_METHODS = ["client_secret_basic", "client_secret_post"]


class Introspection:
    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._issued: dict[str, Mapping[str, object]] = {}

    def issued(self, claims: Mapping[str, object]) -> str:
        token = secrets.token_urlsafe(32)
        self._issued[token] = dict(claims)
        return token

    async def answer(self, request: Request) -> Response:
        """Section 2.1: a client that may not ask learns nothing; of a token that is over, nothing but that is said."""
        form = {key: str(value) for key, value in (await request.form()).items()}
        client = proven(form, request.headers.get("authorization", ""))
        if client is None or not CLIENTS[client].introspects:
            return JSONResponse({"error": "invalid_client"}, status_code=401)
        claims = self._issued.get(form.get("token", ""))
        ends = claims.get("exp") if claims is not None else None
        if claims is None or (isinstance(ends, int | float) and ends <= self._now().timestamp()):
            return JSONResponse({"active": False})
        return JSONResponse({"active": True, "token_type": "Bearer", **claims})

    async def revoke(self, request: Request) -> Response:
        """Sandbox only: the token in ``{token}`` is over."""
        return JSONResponse({"known": self._issued.pop(str((await request.json()).get("token")), None) is not None})
