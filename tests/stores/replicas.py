"""Two loaners as on two machines, with one PostgreSQL and one balancer before them."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
from anyio.abc import ByteStream, SocketStream
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import Implementation

from crash.kit import free_port
from journeys.town import EVERYTHING
from loaner import settings
from loaner.assembly import Loaner, open_loaner
from loaner.cli import _sandboxed
from loaner.sandbox.person import Outcome, Person
from loaner.sandbox.run import RunningSandbox, serving
from loaner.store import Store

KEY = "5e" * 32


@dataclass
class Replicas:
    """``turn`` says which of them answers each new connection; ``None``, that they take turns."""

    url: str
    running: RunningSandbox
    store: Store
    ports: list[int] = field(default_factory=list)
    turn: int | None = 0
    _next: Iterator[int] = field(default_factory=lambda: itertools.cycle((0, 1)))

    async def carry(self, near: SocketStream) -> None:
        port = self.ports[next(self._next) if self.turn is None else self.turn]
        with contextlib.suppress(anyio.BrokenResourceError, OSError):
            async with near, await anyio.connect_tcp("127.0.0.1", port) as far, anyio.create_task_group() as tasks:
                tasks.start_soon(_pump, near, far)
                tasks.start_soon(_pump, far, near)

    @contextlib.asynccontextmanager
    async def agent(self, **more: Any) -> AsyncIterator[Client]:
        wanted = {"user": "alice", "agent": "test-agent", "audience": f"{self.url}/mcp"}
        limits = httpx2.Limits(max_keepalive_connections=0)  # each request may be answered by another of them
        async with httpx2.AsyncClient(trust_env=False, timeout=60, limits=limits) as http:
            issued = await http.post(f"{self.running.base_url}/idp/sandbox/token", json=wanted)
            http.headers["Authorization"] = f"Bearer {issued.json()['access_token']}"
            me = Implementation(name="test-agent", version="1")
            async with Client(
                streamable_http_client(f"{self.url}/mcp", http_client=http), client_info=me, **more
            ) as client:
                yield client

    async def person(self, url: str) -> Outcome:
        """Alice says yes, on a page that whoever's turn it is shows."""
        return await anyio.to_thread.run_sync(
            lambda: Person("alice", self.running.base_url).visit(url, loaner_url=self.url, choose=EVERYTHING)
        )

    @contextlib.asynccontextmanager
    async def third(self, home: Path) -> AsyncIterator[Loaner]:
        """The loaner that a verb of the command line opens, on a third machine."""
        url = self.store.engine.url.render_as_string(hide_password=False)
        (key := home / "shared_key").write_text(KEY)
        key.chmod(0o600)
        chosen = _sandboxed.on_sandbox(settings.load(home=home, store=url, key=f"file:{key}"), self.running.base_url)
        async with open_loaner(chosen, connectors=_sandboxed.connectors(), serving=False) as loaner:
            yield loaner

    def alive(self, provider: str) -> list[str]:
        ledger = self.running.sandbox.ledger
        return [entry.kind for entry in ledger if entry.provider == provider and ledger.is_alive(entry)]

    def minted(self, provider: str) -> int:
        return sum(entry.provider == provider and entry.kind == "user" for entry in self.running.sandbox.ledger)


async def _pump(source: ByteStream, sink: ByteStream) -> None:
    async for part in source:
        await sink.send(part)
    await sink.send_eof()


@contextlib.asynccontextmanager
async def replicas(folder: Path, store: Store) -> AsyncIterator[Replicas]:
    """Start both on ``store``: a home and a process each, and nothing in common but the store and the key."""
    async with (
        serving() as running,
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        running.sandbox.switches.github_device_interval = 1
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - no Django here
        both = Replicas(f"http://127.0.0.1:{port}", running, store)
        tasks.start_soon(listener.serve, both.carry)
        async with contextlib.AsyncExitStack() as stack:
            for name in ("one", "two"):
                both.ports.append(free_port())
                await stack.enter_async_context(_started(folder / name, both))
            yield both
        tasks.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def _started(home: Path, both: Replicas) -> AsyncIterator[None]:
    chosen = {
        "HOME": str(home),
        "STORE": "env:SHARED_STORE",
        "KEY": "env:SHARED_KEY",
        "HTTP__PORT": str(both.ports[-1]),
        "HTTP__PUBLIC_URL": both.url,
        "HTTP__STATELESS": "true",
    }
    environment = {key: value for key, value in os.environ.items() if not key.startswith("LOANER_")}
    environment |= {f"LOANER_{name}": value for name, value in chosen.items()}
    url = both.store.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "loaner", "serve", "--http", f"--sandbox={both.running.base_url}"]
    async with await anyio.open_process(command, env=environment | {"SHARED_STORE": url, "SHARED_KEY": KEY}) as process:
        try:
            assert process.stderr
            said = b""
            with anyio.fail_after(60):
                while b"MCP at" not in said:
                    said += await process.stderr.receive()
            yield
        finally:
            process.kill()
