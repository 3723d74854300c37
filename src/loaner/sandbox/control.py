"""The sandbox's own controls: read the ledger, turn switches, move the clock, inject faults.

They exist for tests and for ``loaner sandbox``; no provider has anything like them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from loaner.sandbox.ledger import iso

if TYPE_CHECKING:
    from loaner.sandbox.app import Sandbox

_WHO_AM_I = {
    "github": ("GET", "/github/api/user", None),
    "slack": ("POST", "/slack/api/auth.test", None),
    "linear": ("POST", "/linear/api/graphql", {"query": "query viewer { viewer { id } }"}),
}


class Control:
    """The control endpoints of one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/ledger", self.ledger),
            Route("/switches", self.switches, methods=["GET", "PUT"]),
            Route("/clock", self.clock, methods=["GET", "POST"]),
            Route("/faults", self.faults, methods=["GET", "POST", "DELETE"]),
            Route("/replay", self.replay, methods=["POST"]),
            Route("/github-app-key", self.github_app_key),
        ]

    async def ledger(self, _: Request) -> Response:
        return JSONResponse([entry.as_json() for entry in self.sandbox.ledger])

    async def switches(self, request: Request) -> Response:
        if request.method == "PUT":
            try:
                self.sandbox.switches.update(dict(await request.json()))
            except (ValueError, TypeError) as wrong:
                return _refused(wrong)
        return JSONResponse(self.sandbox.switches.as_json())

    async def clock(self, request: Request) -> Response:
        if request.method == "POST":
            try:
                self.sandbox.clock.advance(float((await request.json())["advance_seconds"]))
            except (ValueError, TypeError, KeyError) as wrong:
                return _refused(wrong)
        return JSONResponse({"now": iso(self.sandbox.clock.now())})

    async def faults(self, request: Request) -> Response:
        """``POST {"provider", "kind", "path"?, "count"?}`` adds one; ``DELETE ?provider=`` clears."""
        if request.method == "DELETE":
            self.sandbox.faults.clear(request.query_params.get("provider"))
        elif request.method == "POST":
            try:
                wanted = await request.json()
                count = wanted.get("count")
                self.sandbox.faults.add(
                    str(wanted["provider"]),
                    str(wanted["kind"]),
                    path=str(wanted.get("path", "")),
                    count=None if count is None else int(count),
                )
            except (ValueError, TypeError, KeyError, AttributeError) as wrong:
                return _refused(wrong)
        return JSONResponse(self.sandbox.faults.as_json())

    async def replay(self, request: Request) -> Response:
        """``POST {"fingerprint"}``: use a token once more, as a thief would who had copied it."""
        fingerprint = str((await request.json()).get("fingerprint"))
        token = self.sandbox.ledger.stolen(fingerprint)
        entry = next((entry for entry in self.sandbox.ledger if entry.fingerprint == fingerprint), None)
        if token is None or entry is None or entry.provider not in _WHO_AM_I:
            return JSONResponse({"error": "no such token"}, status_code=404)
        method, path, body = _WHO_AM_I[entry.provider]
        async with httpx2.AsyncClient(trust_env=False) as client:
            answer = await client.request(
                method,
                f"{self.sandbox.base_url}{path}",
                headers={"Authorization": f"Bearer {token}", "User-Agent": "thief"},
                json=body,
            )
        refused = answer.status_code >= 400 or answer.json().get("ok") is False  # noqa: PLR2004
        words = answer.json()
        told = (words.get("error") or words.get("message") or "refused") if refused else "accepted"
        return JSONResponse(
            {"request": f"{method} {path}", "status": answer.status_code, "refused": refused, "answer": told}
        )

    async def github_app_key(self, _: Request) -> Response:
        pem = self.sandbox.github_app_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return PlainTextResponse(pem, media_type="application/x-pem-file")


def _refused(wrong: Exception) -> Response:
    return JSONResponse({"error": f"{type(wrong).__name__}: {wrong}"}, status_code=422)
