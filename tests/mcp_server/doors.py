"""The HTTP door, opened on a real port in front of a loaner that is not there."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from loaner.cli import _listening
from loaner.clock import utc_now
from loaner.identity.issuer_keys import IssuerKeys
from loaner.mcp_server.http import create_app
from loaner.settings import LimitSettings
from mcp_server.fakes import FakeLoaner, fake_loaner
from mcp_server.issuing import ISSUER, Issuer, token

ERAS = ["legacy", "auto"]
MODERN = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list"}
LEGACY = {"mcp-protocol-version": "2025-11-25"}


@dataclass
class Door:
    served: FakeLoaner
    issuer: Issuer
    url: str

    @property
    def mcp(self) -> str:
        return f"{self.url}/mcp"

    def bearer(self, **changes: Any) -> dict[str, str]:
        return {"authorization": f"Bearer {token(now=utc_now(), **{'aud': self.mcp, **changes})}"}

    @asynccontextmanager
    async def agent(self, era: str, **changes: Any) -> AsyncIterator[Client]:
        http = httpx2.AsyncClient(headers=self.bearer(**changes))
        async with http, Client(streamable_http_client(self.mcp, http_client=http), mode=era) as agent:
            yield agent

    async def post(self, body: Any = None, **headers: str) -> httpx2.Response:
        sent = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        content = body if isinstance(body, bytes) else json.dumps(body or LIST).encode()
        async with httpx2.AsyncClient() as http:
            return await http.post(self.mcp, content=content, headers=sent)


LIST = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/list",
    "params": {
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    },
}


@asynccontextmanager
async def open_door(
    *,
    limits: LimitSettings | None = None,
    finish_seconds: float = 1,
    settings: Mapping[str, Any] | None = None,
    keys: IssuerKeys | None = None,
    **http: Any,
) -> AsyncIterator[Door]:
    async def page(_: Request) -> PlainTextResponse:
        return PlainTextResponse("a page")

    served, issuer = fake_loaner(**http), Issuer()
    served.settings = served.settings.model_copy(update=dict(settings or {}) | ({"limits": limits} if limits else {}))
    listening = _listening.loopback(0)
    served.base_url = _listening.url(listening)
    keys = keys or IssuerKeys(ISSUER, now=utc_now, transport=issuer.transport)
    app = create_app(served, [Route("/page", page)], keys=keys)
    limits, shutdown = served.settings.limits, served.shutdown
    async with _listening.served(
        app, listening, lifespan="on", limits=limits, shutdown=shutdown, finish_seconds=finish_seconds
    ):
        yield Door(served, issuer, served.base_url)
