"""What stands around every app that is served: the form of a request's target, and an answer whatever happens.

No fault of ours becomes a traceback or a bare 500 that says nothing; and while the server ends, every answer tells
its client to connect anew.
"""

from __future__ import annotations

import traceback
from http import HTTPStatus
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import structlog
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loaner.cli._connections import MAX_HEAD
from loaner.shutdown import Shutdown

log = structlog.get_logger(__name__)
MAX_TARGET: Final = 8 * 1024
"""Bytes of a request's target; RFC 9110 §4.1 recommends to take at least 8000."""


class Edge:
    """ASGI middleware, the outermost."""

    def __init__(self, app: ASGIApp, shutdown: Shutdown) -> None:
        self._app = app
        self._shutdown = shutdown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = _too_long(scope) or _settle_target(scope)
        answering = _Answering(send, self._shutdown)
        with self._shutdown.request() as request:
            answering.request = request
            try:
                await (refusal or self._app)(scope, receive, answering.send)
            except ClientDisconnect:
                return
            except Exception as surprise:  # noqa: BLE001 - uvicorn would print it, values and all
                await answering.failed(surprise, scope, receive)
        if request.cancelled_caught:
            await answering.cut(scope, receive)


class _Answering:
    """One answer, as far as it has got."""

    def __init__(self, send: Send, shutdown: Shutdown) -> None:
        self._send = send
        self._shutdown = shutdown
        self._started = self._complete = False
        self.request: Any = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started = True
            headers = list(message.get("headers", []))
            if any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers):
                self._shutdown.is_stream(self.request)
            if self._shutdown.begun.is_set() and not any(name == b"connection" for name, _ in headers):
                message = {**message, "headers": [*headers, (b"connection", b"close")]}
        elif message["type"] == "http.response.body":
            self._complete = not message.get("more_body", False)
        await self._send(message)

    async def failed(self, surprise: Exception, scope: Scope, receive: Receive) -> None:
        place = traceback.extract_tb(surprise.__traceback__)
        at = f"{PurePath(place[-1].filename).name}:{place[-1].lineno}" if place else "nowhere"
        # Never its text, which may hold what came in.
        log.error("request failed", kind=type(surprise).__qualname__, at=at)
        if self._started:
            raise surprise  # the client sees that the answer is not complete
        await _told(HTTPStatus.INTERNAL_SERVER_ERROR, "internal")(scope, receive, self.send)

    async def cut(self, scope: Scope, receive: Receive) -> None:
        """The server ends before this request did."""
        if not self._started:
            answer = _told(HTTPStatus.SERVICE_UNAVAILABLE, "restarting")
            answer.headers["Retry-After"] = "10"
            await answer(scope, receive, self.send)
        elif not self._complete:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def _told(status: HTTPStatus, error: str) -> Response:
    return JSONResponse({"error": error}, status, {"Cache-Control": "no-store"})


def _too_long(scope: Scope) -> Response | None:
    # A head that came in one piece was never incomplete, so that nobody has counted it yet.
    if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_TARGET:
        return PlainTextResponse("URI Too Long", HTTPStatus.REQUEST_URI_TOO_LONG)
    if sum(len(name) + len(value) + 4 for name, value in scope["headers"]) > MAX_HEAD:
        return PlainTextResponse("Request Header Fields Too Large", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
    return None


def _settle_target(scope: Scope) -> Response | None:
    """Read a target in absolute form as RFC 9112 §3.2.2 says: its authority counts, whatever ``Host`` says.

    Then the check of the host refuses another server's name. Anything else that is no path is refused here.
    """
    raw: bytes = scope["raw_path"]
    if raw.startswith(b"/"):
        return None
    try:
        parts = urlsplit(raw.decode("ascii"))
    except ValueError:
        parts = urlsplit("")
    if parts.scheme.lower() not in {"http", "https"} or not parts.netloc or scope["method"] == "CONNECT":
        return PlainTextResponse("Bad Request", HTTPStatus.BAD_REQUEST)
    path = parts.path or "/"
    scope["path"], scope["raw_path"] = unquote(path), path.encode()
    others = [(name, value) for name, value in scope["headers"] if name != b"host"]
    scope["headers"] = [(b"host", parts.netloc.encode()), *others]
    return None
