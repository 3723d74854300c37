"""A whole town for a test: emulated providers, a loaner with both doors, agents, and people at their browsers.

Everything goes through the front: agents are MCP SDK clients over HTTP with an access token, or over stdio; people
walk the pages; and what is believed is the providers' ledger.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, Implementation

from databases import with_store
from loaner import settings as settings_module
from loaner import web
from loaner.assembly import Loaner, open_loaner
from loaner.audit import event
from loaner.cli import _listening, _sandboxed
from loaner.cli._servers import Server, announced
from loaner.connectors import Connectors
from loaner.identity.issuer_keys import IssuerKeys
from loaner.lending.journal import OpenLoan, open_loans
from loaner.mcp_server.http import create_app
from loaner.sandbox.person import Outcome, Person
from loaner.sandbox.run import RunningSandbox, serving
from loaner.settings import Settings

ERROR = "dev.loaner/error"
EVERYTHING = {"reads": "everything", "agents": "all"}


@dataclass
class Town:
    home: Path
    running: RunningSandbox
    loaner: Loaner

    @property
    def sandbox_url(self) -> str:
        return self.running.base_url

    @property
    def mcp_url(self) -> str:
        return f"{self.loaner.base_url}/mcp"

    async def token(self, user: str = "alice", agent: str = "test-agent", **more: Any) -> str:
        """An access token of the town's identity provider."""
        wanted = {"user": user, "agent": agent, "audience": self.mcp_url} | more
        async with httpx2.AsyncClient(trust_env=False) as client:
            answer = await client.post(f"{self.sandbox_url}/idp/sandbox/token", json=wanted)
        return str(answer.json()["access_token"])

    @contextlib.asynccontextmanager
    async def agent(
        self, user: str = "alice", name: str = "test-agent", *, mode: str = "auto", **client: Any
    ) -> AsyncIterator[Client]:
        """A hosted agent of one person, over HTTP."""
        headers = {"Authorization": f"Bearer {await self.token(user, name)}"}
        async with (
            httpx2.AsyncClient(headers=headers, trust_env=False, timeout=60) as http,
            Client(
                streamable_http_client(self.mcp_url, http_client=http),
                mode=mode,
                client_info=Implementation(name=name, version="1"),
                **client,
            ) as connected,
        ):
            yield connected

    async def decide(
        self, answer: CallToolResult, *, user: str = "alice", deny: bool = False, **choose: str
    ) -> Outcome:
        """The person opens the page that a tool's answer names and decides there. ``choose`` is what they pick; where
        the page asks what may be read and nothing is said here, that is everything, by every agent."""
        url = error_of(answer)["url"]

        def walk() -> Outcome:
            return Person(user, self.sandbox_url).visit(
                url, loaner_url=self.loaner.base_url, deny=deny, choose=EVERYTHING | choose
            )

        return await anyio.to_thread.run_sync(walk)

    async def call(self, agent: Client, tool: str, arguments: dict[str, Any], *, user: str = "alice") -> CallToolResult:
        """Call a tool, let the person say yes to whatever is asked, and call it again."""
        answer = await agent.call_tool(tool, arguments)
        for _ in range(3):
            if not answer.is_error or error_of(answer)["code"] != "consent_required":
                return answer
            outcome = await self.decide(answer, user=user)
            assert outcome.state == "approved", outcome
            answer = await agent.call_tool(tool, arguments)
        return answer

    def ledger(self, **wanted: Any) -> list[dict[str, Any]]:
        """What the providers saw: every token that has these values."""
        entries = [entry.as_json() for entry in self.running.sandbox.ledger]
        return [entry for entry in entries if all(entry[key] == value for key, value in wanted.items())]

    def advance(self, **time: float) -> None:
        """Let time pass, for the providers and for loaner alike."""
        self.running.sandbox.clock.advance(timedelta(**time).total_seconds())

    def fault(self, provider: str, kind: str, *, path: str = "", count: int | None = None) -> None:
        self.running.sandbox.faults.add(provider, kind, path=path, count=count)

    async def open_loans(self) -> list[OpenLoan]:
        """What is still listed once the returns beside the answers are over: they are not part of a call's time."""
        await self.settled()
        return await self.loaner.store.read(open_loans)

    async def settled(self) -> None:
        """Wait until everything lent is given back and recorded."""
        await self.loaner.revocations.settled()

    async def records(self, **wanted: Any) -> list[dict[str, Any]]:
        """The bodies of the records that have these values, the oldest first."""
        await self.settled()
        bodies = [record.body for record in await self.loaner.audit.tail(1000)]
        if "kind" not in wanted:  # what is no call has to be asked for
            bodies = [body for body in bodies if body["kind"] not in event.KINDS]
        return [body for body in bodies if all(body.get(key) == value for key, value in wanted.items())]

    async def replay(self, fingerprint: str) -> dict[str, Any]:
        """What the provider says to someone who copied a credential."""
        async with httpx2.AsyncClient(trust_env=False) as client:
            answer = await client.post(f"{self.sandbox_url}/sandbox/replay", json={"fingerprint": fingerprint})
        told: dict[str, Any] = answer.json()
        return told


def error_of(answer: CallToolResult) -> dict[str, Any]:
    """The machine-readable side of a refusal."""
    assert answer.is_error, answer
    assert answer.structured_content is None, "an error never carries structured content"
    told: dict[str, Any] = (answer.meta or {})[ERROR]
    return told


def text_of(answer: CallToolResult) -> str:
    return "\n".join(getattr(part, "text", "") for part in answer.content)


@contextlib.asynccontextmanager
async def town(home: Path, **overrides: Any) -> AsyncIterator[Town]:
    """Build a town. ``overrides`` are settings."""
    async with providers(home) as running, standing(home, running, **overrides) as built:
        yield built


@contextlib.asynccontextmanager
async def providers(home: Path) -> AsyncIterator[RunningSandbox]:
    """The providers of a town alone, which outlive a server that is stopped and started."""
    async with serving(home=home) as running:
        running.sandbox.switches.github_device_interval = 1  # a person's five seconds are a test suite's minutes
        yield running


@contextlib.asynccontextmanager
async def standing(home: Path, running: RunningSandbox, **overrides: Any) -> AsyncIterator[Town]:
    """A server of ``home`` before these providers."""
    settings = settings_module.load(home=with_store(home), **overrides)
    settings = _sandboxed.on_sandbox(settings, running.base_url)
    async with served(settings, running, _sandboxed.connectors()) as built:
        yield built


@contextlib.asynccontextmanager
async def served(settings: Settings, running: RunningSandbox, connectors: Connectors | None) -> AsyncIterator[Town]:
    """A server with these settings; ``connectors`` are the settings' own where none are given."""
    listener = _listening.loopback(0)
    settings = settings.model_copy(
        update={"http": settings.http.model_copy(update={"port": listener.getsockname()[1]})}
    )
    async with open_loaner(settings, connectors=connectors, now=running.sandbox.clock) as loaner:
        loaner.base_url = _listening.url(listener)
        assert settings.identity
        keys = IssuerKeys(settings.identity.issuer, now=loaner.now)
        app = create_app(loaner, web.routes(web.signed_in_site(loaner, settings.identity, keys)), keys=keys)
        server = Server(os.getpid(), loaner.base_url, f"{loaner.base_url}/mcp", settings.sandbox)
        with announced(settings.home, server):
            async with _listening.served(
                app, listener, lifespan="on", limits=settings.limits, shutdown=loaner.shutdown
            ):
                yield Town(settings.home, running, loaner)


@contextlib.asynccontextmanager
async def local_agent(
    home: Path, sandbox_url: str, *arguments: str, name: str = "ide-agent", **client: Any
) -> AsyncIterator[Client]:
    """An IDE's agent: it starts ``loaner serve`` itself and talks over stdio."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-W", "error::ResourceWarning", "-m", "loaner", "serve", f"--sandbox={sandbox_url}", *arguments],
        env={**os.environ, "LOANER_HOME": str(home)},
    )
    async with Client(server, client_info=Implementation(name=name, version="1"), **client) as connected:
        yield connected
