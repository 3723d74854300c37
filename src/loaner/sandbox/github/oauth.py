"""``POST /login/device/code`` and ``POST /login/oauth/access_token``.

GitHub docs "Authorizing OAuth apps" and "Refreshing user access tokens". Errors come with HTTP 200, and answers are
form-encoded unless the client asks for JSON.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from loaner.sandbox.github.call import whole
from loaner.sandbox.github.device import LIFETIME, PollProblem
from loaner.sandbox.github.hub import Hub
from loaner.sandbox.github.tokens import REFRESH_SECONDS, USER_SECONDS, Minted

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
Fields = Mapping[str, object]


class OAuth:
    """The two OAuth endpoints of github.com that machines call."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    def routes(self) -> list[Route]:
        return [
            Route("/login/device/code", self.device_code, methods=["POST"]),
            Route("/login/oauth/access_token", self.access_token, methods=["POST"]),
        ]

    async def device_code(self, request: Request) -> Response:
        fields = await _fields(request)
        if fields.get("client_id") != self.hub.app.client_id:
            return _answer(request, {"error": "Not Found"}, status=404)
        if not self.hub.app.device_flow_enabled:
            return _answer(request, _problem("device_flow_disabled", "Device Flow must be explicitly enabled."))
        code = self.hub.devices.issue(self.hub.sandbox.switches.github_device_interval)
        answer: dict[str, object] = {
            "device_code": code.device_code,
            "user_code": code.user_code,
            "verification_uri": f"{self.hub.web}/login/device",
            "expires_in": int(LIFETIME.total_seconds()),
            "interval": code.interval,
        }
        return _answer(request, answer)

    async def access_token(self, request: Request) -> Response:
        fields = await _fields(request)
        if fields.get("client_id") != self.hub.app.client_id:
            return _answer(request, _problem("incorrect_client_credentials", "The client_id is not valid."))
        match fields.get("grant_type", "authorization_code"):
            case grant if grant == DEVICE_GRANT:
                answer = self._device(fields)
            case "refresh_token":
                answer = self._refresh(fields)
            case "authorization_code":
                answer = self._code(fields)
            case _:
                answer = _problem("unsupported_grant_type", "The grant_type is not supported.")
        return _answer(request, answer)

    def _device(self, fields: Fields) -> Fields:
        if not self.hub.app.device_flow_enabled:
            return _problem("device_flow_disabled", "Device Flow must be explicitly enabled.")
        word = self.hub.sandbox.switches.github_expired_token_word
        result = self.hub.devices.poll(str(fields.get("device_code", "")), expired_word=word)
        if isinstance(result, PollProblem):
            wait: dict[str, object] = {"interval": result.interval} if result.interval else {}
            return {**_problem(result.error, result.description), **wait}
        return _issued(*self.hub.tokens.pair(result, self._only(result, fields.get("repository_id"))))

    def _only(self, login: str, repository_id: object) -> list[int] | None:
        """``repository_id`` narrows the token to one repository; one that is out of reach is ignored without a word."""
        repository = self.hub.world.repositories.get(whole(str(repository_id)) or 0)
        return [repository.id] if repository and login in repository.roles else None

    def _refresh(self, fields: Fields) -> Fields:
        # The secret may be missing: tokens of the device flow are refreshed without one. A wrong one is refused.
        token = str(fields.get("refresh_token", ""))
        if "client_secret" in fields and not self._is_secret(fields["client_secret"]):
            return _problem("incorrect_client_credentials", "The client_secret is not valid.")
        entry = self.hub.sandbox.ledger.find(token)
        pair = self.hub.tokens.refresh(token)
        if entry is not None and entry.provider == "github":
            status = 200  # GitHub's status either way; the death of the entry tells how it went
            self.hub.sandbox.ledger.used(entry, method="POST", path="/login/oauth/access_token", status=status)
        if pair is None:
            return _problem("bad_refresh_token", "The refresh token passed is incorrect or expired.")
        return _issued(*pair)

    def _code(self, fields: Fields) -> Fields:
        if not self._is_secret(fields.get("client_secret")):
            return _problem("incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect.")
        code = self.hub.authorization_codes.pop(str(fields.get("code", "")), None)
        if code is None or code.expires_at <= self.hub.now():
            return _problem("bad_verification_code", "The code passed is incorrect or expired.")
        if fields.get("redirect_uri", code.redirect_uri) != code.redirect_uri:
            return _problem("redirect_uri_mismatch", "The redirect_uri MUST match the registered callback URL.")
        if code.challenge is not None and code.challenge != s256(str(fields.get("code_verifier", ""))):
            return _problem("bad_verification_code", "The code_verifier does not match the code_challenge.")
        return _issued(*self.hub.tokens.pair(code.login, self._only(code.login, fields.get("repository_id"))))

    def _is_secret(self, given: object) -> bool:
        return hmac.compare_digest(str(given).encode(), self.hub.app.client_secret.encode())


def s256(verifier: str) -> str:
    """RFC 7636 §4.2."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _issued(user: Minted, refresh: Minted) -> Fields:
    return {
        "access_token": user.token,
        "expires_in": USER_SECONDS,
        "refresh_token": refresh.token,
        "refresh_token_expires_in": REFRESH_SECONDS,
        "token_type": "bearer",
        "scope": "",
    }


def _problem(error: str, description: str) -> Fields:
    return {
        "error": error,
        "error_description": description,
        "error_uri": "https://docs.github.com/developers/apps/authorizing-oauth-apps",
    }


def _answer(request: Request, fields: Fields, status: int = 200) -> Response:
    headers = {"cache-control": "no-store"}
    if "json" in request.headers.get("accept", ""):
        return JSONResponse(dict(fields), status_code=status, headers=headers)
    return Response(
        urlencode({key: str(value) for key, value in fields.items()}),
        status_code=status,
        headers=headers,
        media_type="application/x-www-form-urlencoded",
    )


async def _fields(request: Request) -> dict[str, object]:
    """The parameters, wherever GitHub lets them stand: query, form or JSON body."""
    fields: dict[str, object] = dict(request.query_params)
    if "json" in request.headers.get("content-type", ""):
        try:
            body = await request.json()
        except ValueError:
            body = None
        return fields | (body if isinstance(body, dict) else {})
    return fields | {key: str(value) for key, value in (await request.form()).items()}
