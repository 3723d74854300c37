"""A shop: a sandbox in this process, and servers of loaner in forked ones, on one home."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import anyio
import anyio.to_thread
import httpx2
from sqlalchemy import Connection, create_engine, delete, update

from crash.books import Books
from crash.forks import Child, Forks
from crash.jobs import EPOCH
from journeys.town import EVERYTHING
from loaner.sandbox.github import device
from loaner.sandbox.person import Person
from loaner.sandbox.run import RunningSandbox, serving
from loaner.store.tables import consents, grants

AT_LENGTH = int(os.environ.get("SOAK_ROUNDS", "200"))
"""Kills at each point in a soak."""
MODERN = "2026-07-28"
PATIENCE = 4
"""Tries of a call while access tokens cannot be checked."""
LISTENED_ON = range(20_000, 32_000)
"""Below what systems give to connections that go out: such a one could take a server's port while it is down."""


@dataclass
class Shop:
    """One ``LOANER_HOME`` and its store, one sandbox, and whoever serves there."""

    home: Path
    running: RunningSandbox
    forks: Forks
    port: int
    store: str
    client: httpx2.AsyncClient
    books: Books
    bearer: str = ""
    lost: str = ""
    """What became of the last call that no answer came to."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ledger(self) -> Any:
        return self.running.sandbox.ledger

    def _job(self, do: str, **more: Any) -> dict[str, Any]:
        there = {"home": str(self.home), "sandbox": self.running.base_url, "store": self.store, "port": self.port}
        return {"do": do} | there | more

    async def serve(
        self, point: str | None = None, *, passes: int = 0, measured: bool = False, **settings: str
    ) -> Child:
        """A server, doomed to die at ``point``, with ``settings`` in its environment. Returns once it listens."""
        job = self._job("serve", point=point, passes=passes, measured=measured, settings=settings)
        child = await self.forks.start(**job)
        with anyio.fail_after(60):
            while not child.ended.is_set():
                with contextlib.suppress(OSError):
                    async with await anyio.connect_tcp("127.0.0.1", self.port):
                        return child
                await anyio.sleep(0.01)
        # Where it is to die, what the one before it left may bring it there before it listens.
        assert point, f"the server ended with {child.status} before it listened: {self.log()}"
        return child

    async def carry(self, tool: str, arguments: dict[str, Any], **more: Any) -> Child:
        """A process without a door that has swept, and told its books, and waits for :meth:`Child.go`."""
        job = {"tool": tool, "arguments": arguments, "subject": f"{self.running.base_url}/idp user-alice"}
        job["account"] = "alice"
        usual = {"point": "", "before": "", "provider": tool.partition("_")[0], "after": self.books.size}
        usual["settings"] = {"LOANER_LIMITER__FACTOR": "0"}  # hundreds of calls a minute are more than GitHub allows
        child = await self.forks.start(**self._job("carry", **(job | usual | more)))
        assert await child.stops(), self.log()
        return child

    def told(self, answer: str = "answer.json") -> dict[str, Any]:
        """What a child left as its answer."""
        said: dict[str, Any] = json.loads((self.home / answer).read_text())
        return said

    def log(self) -> str:
        """The end of what the children said."""
        return (self.home / "stderr.log").read_text()[-3000:]

    async def measure(self, server: Child) -> dict[str, int]:
        """What a ``measured`` server holds right now: Python's ``blocks``, ``resident_kib``, and by how many things any
        one collection has ``grown`` since the last time."""
        file = self.home / "measure.json"
        file.unlink(missing_ok=True)
        os.kill(server.pid, signal.SIGUSR2)
        with anyio.fail_after(20):
            while not file.exists():  # noqa: ASYNC110 - the other process is no event of ours
                await anyio.sleep(0.02)
        held: dict[str, int] = json.loads(file.read_text())
        return held

    async def run(self, do: str, **more: Any) -> Any:
        child = await self.forks.start(**self._job(do, **more))
        status = await child.wait(60)
        assert status == 0, self.log()
        return self.told(more.get("answer", "answer.json"))

    async def token(self, user: str = "alice") -> str:
        wanted = {"user": user, "agent": "test-agent", "audience": f"{self.url}/mcp"}
        answer = await self.client.post(f"{self.running.base_url}/idp/sandbox/token", json=wanted)
        return str(answer.json()["access_token"])

    async def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
        """One tool call over HTTP; ``None`` when the server died of it, with what was seen of that in ``lost``."""
        meta = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
        params = {"name": tool, "arguments": arguments, "_meta": meta}
        headers = {
            "authorization": f"Bearer {self.bearer}",
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": MODERN,
            "mcp-method": "tools/call",
            "mcp-name": tool,
        }
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        for _ in range(PATIENCE):
            try:
                answer = await self.client.post(f"{self.url}/mcp", json=body, headers=headers)
            except httpx2.HTTPError as failure:
                self.lost = repr(failure)
                return None
            if "temporarily_unavailable" not in answer.text:
                break
            # On a machine that stands still for a while, the issuer does not answer in time; a client tries again.
            await anyio.sleep(float(answer.headers["retry-after"]))
        text = answer.text
        if answer.status_code >= httpx2.codes.INTERNAL_SERVER_ERROR:  # a server that stops cancels its calls
            self.lost = f"{answer.status_code}: {text}"
            return None
        if text.startswith(("event:", "data:", ":")):
            text = next(line.removeprefix("data:") for line in text.splitlines() if line.startswith("data:"))
        said: dict[str, Any] = json.loads(text)
        assert "result" in said, said
        result: dict[str, Any] = said["result"]
        return result

    async def consent(self, answer: dict[str, Any], user: str = "alice") -> str:
        """The person says yes; how it ended, or ``gone`` when the server died meanwhile."""
        url = answer["_meta"]["dev.loaner/error"]["url"]

        def walk() -> str:
            try:
                return (
                    Person(user, self.running.base_url, patience=10)
                    .visit(url, loaner_url=self.url, choose=EVERYTHING)
                    .state
                )
            except httpx2.HTTPError:
                return "gone"

        return await anyio.to_thread.run_sync(walk)

    async def until_done(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Call, say yes to whatever is asked, call again: what a person and an agent do together."""
        for _ in range(6):
            answer = await self.call(tool, arguments)
            assert answer is not None, f"{self.lost}\n{self.log()}"
            if not answer.get("isError"):
                return answer
            if "url" in answer["_meta"]["dev.loaner/error"]:
                await self.consent(answer)
        raise AssertionError(answer)

    @contextlib.contextmanager
    def when(self, event: str, provider: str, kind: str, act: Callable[[], object]) -> Iterator[None]:
        """Do something at the instant when a provider mints, revokes or is used, before its answer goes out."""
        original = getattr(self.ledger, event)

        def noticed(*args: Any, **named: Any) -> Any:
            done = original(*args, **named)
            entry = done if event == "mint" else args[0]
            if (entry.provider, entry.kind) == (provider, kind):
                act()
            return done

        setattr(self.ledger, event, noticed)
        try:
            yield
        finally:
            delattr(self.ledger, event)

    def struck(self, child: Child, event: str, provider: str, kind: str) -> contextlib.AbstractContextManager[None]:
        """Kill a server at such an instant: the answer finds nobody."""
        return self.when(event, provider, kind, lambda: child.ended.is_set() or os.kill(child.pid, signal.SIGKILL))

    def expire(self, provider: str) -> None:
        """As if the access tokens of this provider's grants had reached their end."""
        with self.database() as connection:
            mine = (grants.c.provider == provider) & (grants.c.state == "active")
            connection.execute(update(grants).where(mine).values(expires_at=EPOCH))

    def disconnect(self, provider: str) -> None:
        """As if this person had never connected the provider."""
        with self.database() as connection:
            connection.execute(delete(grants).where(grants.c.provider == provider))
            connection.execute(delete(consents))
        for entry in self.ledger:
            if entry.provider == provider:
                self.ledger.revoke(entry)

    async def works(self, tool: str, arguments: dict[str, Any]) -> None:
        """After all that: the call can be made, if need be after asking the person; never half of it."""
        server = await self.serve()
        await self.until_done(tool, arguments)
        await server.kill()

    @contextlib.contextmanager
    def database(self) -> Iterator[Connection]:
        """The store, behind loaner's back: for what only time would do."""
        engine = create_engine(self.store)
        with engine.begin() as connection:
            yield connection
        engine.dispose()


def free_port() -> int:
    """A port that nobody listens on, and that no one is given who asks for any."""
    while True:
        port = random.choice(LISTENED_ON)  # noqa: S311 - no secret
        with contextlib.suppress(OSError), socket.socket() as one:
            one.bind(("127.0.0.1", port))
            return port


@contextlib.asynccontextmanager
async def shop(home: Path, server: Forks, store: str | None = None) -> AsyncIterator[Shop]:
    """A shop in the folder ``home``. ``store`` is the URL of an empty database; SQLite in ``home`` if not given."""
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # all is plain HTTP; a context that trusts nobody is quick to make
    # A connection kept to a server that was killed would fail the first call to the next one.
    limits = httpx2.Limits(max_keepalive_connections=0)
    async with (
        serving() as running,
        httpx2.AsyncClient(trust_env=False, timeout=60, verify=nobody, limits=limits) as client,
    ):
        running.sandbox.switches.github_device_interval = 1
        running.sandbox.switches.github_hourly_limit = 1_000_000
        made = Shop(
            home,
            running,
            server,
            free_port(),
            store or f"sqlite:///{home / 'loaner.db'}",
            client,
            Books(running.sandbox.ledger),
        )
        made.bearer = await made.token()
        with patch.object(device, "SUBMISSIONS_AN_HOUR", 1_000_000):
            yield made


@contextlib.asynccontextmanager
async def linked_shop(home: Path, server: Forks, store: str | None = None) -> AsyncIterator[Shop]:
    """A shop where alice has connected GitHub and Linear."""
    async with shop(home, server, store) as one:
        serving_it = await one.serve()
        await one.until_done("github_get_me", {})
        await one.until_done("linear_get_issue", {"id": "ENG-1"})
        await serving_it.kill()
        yield one
