"""The end of a hosted server: what is cut is told as what it is, and nothing stays alive."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest
from anyio.abc import Process
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, Implementation

from journeys.town import error_of
from loaner.sandbox.person import Person
from loaner.sandbox.run import RunningSandbox, serving

READ = ("github_get_repository", {"owner": "acme", "repo": "web"})
WRITE = ("github_issue_create", {"owner": "acme", "repo": "web", "title": "Once"})
SOON = 30


@dataclass
class Server:
    home: Path
    sandbox: RunningSandbox
    process: Process
    url: str = ""
    heard: dict[str, Any] = field(default_factory=dict)

    @property
    def announced(self) -> Path:
        return self.home / "servers" / f"{self.process.pid}.json"

    def errors(self) -> str:
        return (self.home / "stderr.log").read_text()

    @asynccontextmanager
    async def raw(self) -> AsyncIterator[httpx2.AsyncClient]:
        """A client with alice's token."""
        wanted = {"user": "alice", "agent": "test-agent", "audience": f"{self.url}/mcp"}
        async with httpx2.AsyncClient(trust_env=False, timeout=60) as http:
            token = (await http.post(f"{self.sandbox.base_url}/idp/sandbox/token", json=wanted)).json()["access_token"]
            http.headers |= {"authorization": f"Bearer {token}", "accept": "application/json, text/event-stream"}
            yield http

    @asynccontextmanager
    async def agent(self, mode: str, **client: Any) -> AsyncIterator[Client]:
        async with (
            self.raw() as http,
            Client(
                streamable_http_client(f"{self.url}/mcp", http_client=http),
                mode=mode,
                client_info=Implementation(name="test-agent", version="1"),
                **client,
            ) as agent,
        ):
            yield agent

    async def approve(self, answer: CallToolResult) -> None:
        url = error_of(answer)["url"]
        person = Person("alice", self.sandbox.base_url)
        await anyio.to_thread.run_sync(lambda: person.visit(url, loaner_url=self.url))

    async def call(self, agent: Client, name: str, call: tuple[str, dict[str, Any]]) -> None:
        self.heard[name] = await agent.call_tool(*call)

    async def ends(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        with anyio.fail_after(SOON):
            return await self.process.wait()

    async def is_draining(self) -> None:
        async with httpx2.AsyncClient(trust_env=False) as http:
            with anyio.fail_after(SOON):
                while (await http.get(f"{self.url}/readyz")).status_code != 503:  # noqa: ASYNC110 - another process
                    await anyio.sleep(0.02)
            assert (await http.get(f"{self.url}/livez")).status_code == 200

    async def hanging(self, count: int) -> None:
        """Until so many calls are with their provider, which says nothing."""
        with anyio.fail_after(SOON):
            while len(self.sandbox.sandbox.faults._taken) < count:  # noqa: ASYNC110 - the sandbox has no event for it
                await anyio.sleep(0.02)


@asynccontextmanager
async def hosted(home: Path, **environment: str) -> AsyncIterator[Server]:
    async with serving(home=home) as sandbox:
        sandbox.sandbox.switches.github_device_interval = 1
        command = [sys.executable, "-m", "loaner", "serve", "--http", "--port=0", f"--sandbox={sandbox.base_url}"]
        told = {"LOANER_HOME": str(home), "LOANER_STOPPING__DRAIN_SECONDS": "0"}
        told["LOANER_STOPPING__FINISH_SECONDS"] = "0.3"
        with (home / "stderr.log").open("wb") as errors:
            async with await anyio.open_process(command, env=os.environ | told | environment, stderr=errors) as process:
                server = Server(home, sandbox, process)
                try:
                    with anyio.fail_after(SOON):
                        while not server.announced.exists():  # noqa: ASYNC110 - written by another process
                            await anyio.sleep(0.05)
                    server.url = json.loads(server.announced.read_text())["base_url"]
                    yield server
                finally:
                    sandbox.sandbox.faults.clear()
                    if process.returncode is None:
                        process.kill()


def records(home: Path) -> dict[str, str]:
    """What the records say of the calls: code by tool, the last of each."""
    with sqlite3.connect(home / "loaner.db") as store:
        bodies = [json.loads(row[0]) for row in store.execute("select body from records order by seq")]
    return {body["tool"]: body.get("code") for body in bodies if body["kind"] == "call"}


@pytest.mark.parametrize(("mode", "stateless"), [("auto", ""), ("legacy", ""), ("legacy", "true")])
async def test_what_a_stop_cuts_is_told_as_a_result_and_recorded_in_the_same_words(
    tmp_path: Path, mode: str, stateless: str
) -> None:
    """A write that was sent may have happened; a read changed nothing; nobody gets a bare 500."""
    more = {"LOANER_HTTP__STATELESS": stateless} if stateless else {}
    async with hosted(tmp_path, **more) as server:
        async with server.agent(mode) as agent, server.agent(mode) as other:
            for call in (READ, WRITE):
                await server.approve(await agent.call_tool(*call))
            before = len(list(server.sandbox.sandbox.ledger))
            server.sandbox.sandbox.faults.add("github", "hang", path="/repos/acme/web/issues")
            server.sandbox.sandbox.faults.add("github", "hang", path="/repos/acme/web")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(server.call, agent, "write", WRITE)
                tasks.start_soon(server.call, other, "read", READ)
                await server.hanging(2)
                assert await server.ends(signal.SIGTERM) == 0
        assert error_of(server.heard["write"])["code"] == "outcome_unknown"
        assert error_of(server.heard["read"])["code"] == "provider_unavailable"
        lent = list(server.sandbox.sandbox.ledger)[before:]
        assert lent, "both had a credential"
        assert all(token.revoked_at for token in lent)
        told = records(tmp_path)
        assert (told[WRITE[0]], told[READ[0]]) == ("outcome_unknown", "provider_unavailable")
        assert not server.announced.exists()
        assert "Traceback" not in server.errors()
        assert "internal" not in server.errors()


@pytest.mark.parametrize(("hangs", "code"), [("/repos/acme/web", 0), ("", 130)], ids=["the call", "all"])
async def test_readiness_goes_off_first_and_a_second_signal_ends_at_once(tmp_path: Path, hangs: str, code: int) -> None:
    """While it drains it still serves. Then the call is told; where even that hangs, the journal remembers."""
    async with hosted(tmp_path, LOANER_STOPPING__DRAIN_SECONDS="60") as server:
        with suppress(BaseExceptionGroup):  # the client of a call that could not be told
            async with server.agent("auto") as agent:
                await server.approve(await agent.call_tool(*READ))
                server.sandbox.sandbox.faults.add("github", "hang", path=hangs)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(server.call, agent, "read", READ)
                    await server.hanging(1)
                    server.process.send_signal(signal.SIGTERM)
                    await server.is_draining()
                    server.process.send_signal(signal.SIGTERM)
        with anyio.fail_after(SOON):  # out here: the call that is cut may have ended its group first
            assert await server.process.wait() == code
        assert ("read" in server.heard) == (code == 0)
        assert not server.announced.exists()
        assert "Traceback" not in server.errors()


async def test_a_closed_terminal_ends_a_hosted_server_in_order(tmp_path: Path) -> None:
    async with hosted(tmp_path, LOANER_STOPPING__DRAIN_SECONDS="60") as server:
        assert await server.ends(signal.SIGHUP) == 0, "a terminal has no balancer that would take a moment"
        assert not server.announced.exists()


ASKS_AGAIN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"url": {}}},
}


async def test_whoever_is_held_for_a_persons_answer_is_told_not_yet_as_soon_as_the_end_begins(tmp_path: Path) -> None:
    """And by state alone, which another server would take up. Who comes after that is held until nothing new is
    accepted."""
    held = {"LOANER_CONSENT__HOLD_SECONDS": "50", "LOANER_STOPPING__DRAIN_SECONDS": "60"}
    async with hosted(tmp_path, **held) as server, server.raw() as http:
        asked = await ask_again(http, server)
        assert asked["inputRequests"]
        with anyio.fail_after(SOON):
            for turn in (1, 2):
                answers: list[dict[str, Any]] = []

                async def repeat(state: str, answers: list[dict[str, Any]]) -> None:
                    answers.append(await ask_again(http, server, state))

                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(repeat, asked["requestState"], answers)
                    while turns_spent(tmp_path) < turn:  # noqa: ASYNC110 - in another process
                        await anyio.sleep(0.02)
                    assert answers == []
                    server.process.send_signal(signal.SIGTERM)
                [asked] = answers
                assert "inputRequests" not in asked, "not yet"
                if turn == 1:
                    await server.is_draining()
            assert await server.process.wait() == 0
        assert "Traceback" not in server.errors()


async def ask_again(http: httpx2.AsyncClient, server: Server, state: str | None = None) -> dict[str, Any]:
    """A call, or its repetition as a client makes it that opens URLs."""
    again = {"requestState": state, "inputResponses": {"consent": {"action": "accept"}}} if state else {}
    params = {"name": WRITE[0], "arguments": WRITE[1], "_meta": ASKS_AGAIN, **again}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": WRITE[0]}
    answer = await http.post(f"{server.url}/mcp", json=body, headers=headers)
    return dict(answer.json()["result"])


def turns_spent(home: Path) -> int:
    """Each repetition spends one before it is held."""
    with sqlite3.connect(home / "loaner.db") as store:
        return int(store.execute("select count(*) from throttles where key like 'turn %'").fetchone()[0])
