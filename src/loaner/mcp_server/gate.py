"""What a request must look like before anything else looks at it: for this host, from a known origin, no token in
its address.

A website that a person visits can make their browser talk to this computer (DNS rebinding, cross-site requests).
The names that count are exact: a pattern such as ``localhost:*`` also matches ``localhost:80.evil.example``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import structlog
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from loaner import loopback
from loaner.settings import HttpSettings
from loaner.settings.urls import in_url

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class HostNames:
    """The ``Host`` and ``Origin`` values that are ours, letter by letter."""

    hosts: frozenset[str]
    origins: frozenset[str]

    @classmethod
    def of(cls, base_url: str, http: HttpSettings) -> HostNames:
        own = urlsplit(base_url)
        hosts = {own.netloc, *http.allowed_hosts}
        if own.scheme == "http" and own.hostname in loopback.NAMES:
            port = f":{own.port}" if own.port else ""  # clients leave the default one out
            hosts |= {f"{in_url(name)}{port}" for name in loopback.NAMES}  # one server by its three local names
        origins = {f"{own.scheme}://{own.netloc}", *http.allowed_origins}
        return cls(frozenset(hosts), frozenset(origins))


class Gate:
    """ASGI middleware for every route. Answers 421 for another host, 401 for a token in the query.

    Behind it the values of headers are without the white space around them, which is no part of them (RFC 9110 §5.5);
    llhttp leaves what follows.
    """

    def __init__(self, app: ASGIApp, names: HostNames) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = {**scope, "headers": [(name, value.strip(b" \t")) for name, value in scope["headers"]]}
        await (self._refusal(scope) or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        hosts = Headers(scope=scope).getlist("host")
        if len(hosts) != 1 or hosts[0] not in self._names.hosts:
            log.warning(
                "refused a request for another host",
                host=quoted(hosts),
                do="If people use that name: set http.public_url, or add it to http.allowed_hosts.",
            )
            return PlainTextResponse(
                "This server does not answer for that host. Its operator finds the name, and the setting, in the log.",
                421,
            )
        query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        if any(name.lower() == "access_token" for name, _ in query):
            # An address ends in logs, histories and Referer headers (RFC 6750 §2.3 and §5.3).
            return PlainTextResponse(
                "Send the access token in the Authorization header.", 401, {"WWW-Authenticate": "Bearer"}
            )
        return None


class OriginGate:
    """ASGI middleware for ``/mcp``: what a browser sends must come from a page we know; 403 otherwise.

    The consent pages check their own forms: under ``Referrer-Policy: no-referrer`` a browser sends those with
    ``Origin: null``.
    """

    def __init__(self, app: ASGIApp, names: HostNames) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origins = Headers(scope=scope).getlist("origin")
        if origins and (len(origins) != 1 or origins[0] not in self._names.origins):
            log.warning(
                "refused a request from an unknown origin",
                origin=quoted(origins),
                do="If an agent runs on that page: add it to http.allowed_origins.",
            )
            await PlainTextResponse("This origin is not allowed here.", 403)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def quoted(values: Sequence[str]) -> str:
    """For a log line: short, and nothing in it that a terminal or another line could be made of."""
    return ", ".join(ascii(value[:80]) for value in values[:2]) or "(none)"
