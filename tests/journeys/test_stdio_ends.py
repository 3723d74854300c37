"""The end of a server that an agent started: its calls end, what was lent is given back, and it is gone."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from journeys.town import EVERYTHING, error_of, local_agent
from loaner.sandbox.person import Person
from loaner.sandbox.run import RunningSandbox, serving

AS_HOSTS_DO = """
import sys, threading
from subprocess import PIPE, Popen
server = Popen([sys.executable, "-m", "loaner", "serve", *sys.argv[1:]], stdin=PIPE, stdout=PIPE)
def on(source, sink):
    for line in iter(source.readline, b""):
        sink.write(line); sink.flush()
threading.Thread(target=on, args=(server.stdout, sys.stdout.buffer), daemon=True).start()
on(sys.stdin.buffer, server.stdin)
"""
"""A program that starts the server and speaks for its user; nothing is left of it once it is killed."""
READ = {"name": "github_get_repository", "arguments": {"owner": "acme", "repo": "web"}}
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
WRITE = {"name": "github_issue_create", "arguments": {"owner": "acme", "repo": "web", "title": "Once"}}
PROMPTLY = 30
"""Seconds; a loaded machine takes some, and a server that waits for its client would take forever."""


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[RunningSandbox]:
    """A machine whose person has connected GitHub, so that reads are asked about no more."""
    async with serving(home=tmp_path) as running:
        async with local_agent(tmp_path, running.base_url) as agent:
            url = error_of(await agent.call_tool(READ["name"], READ["arguments"]))["url"]  # type: ignore[arg-type]
            person = Person("alice", running.base_url)
            await anyio.to_thread.run_sync(
                lambda: person.visit(url, loaner_url=url.rpartition("/consent/")[0], choose=EVERYTHING)
            )
        yield running


@asynccontextmanager
async def raw_server(
    home: Path, running: RunningSandbox, command: list[str] | None = None, stderr: int | None = None
) -> AsyncIterator[Process]:
    """``loaner serve``, spoken to by hand."""
    command = [*(command or [sys.executable, "-m", "loaner", "serve"]), f"--sandbox={running.base_url}"]
    environment = {**os.environ, "LOANER_HOME": str(home)}
    async with await anyio.open_process(command, env=environment, stderr=stderr) as server:
        await say(server, id=1, method="initialize", params=HELLO)
        assert server.stdout
        heard = json.loads(await BufferedByteReceiveStream(server.stdout).receive_until(b"\n", 1_000_000))
        assert heard["result"]["serverInfo"]["name"] == "loaner"
        await say(server, method="notifications/initialized")
        yield server


async def say(server: Process, **message: Any) -> None:
    assert server.stdin
    await server.stdin.send(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")


async def hanging(running: RunningSandbox) -> None:
    """Until the call is under way, and its provider says nothing."""
    with anyio.fail_after(20):
        while not running.sandbox.faults._taken:  # noqa: ASYNC110 - the sandbox has no event for it
            await anyio.sleep(0.02)


async def test_a_server_that_ends_gives_back_what_it_lent_and_is_gone(running: RunningSandbox, tmp_path: Path) -> None:
    """A closed terminal is as ordinary an end as any; and whoever still listens is told what became of the call."""
    for end in ("hang up", "SIGTERM", "SIGHUP", "SIGINT"):
        async with raw_server(tmp_path, running) as server:
            before = len(list(running.sandbox.ledger))
            running.sandbox.faults.add("github", "hang", path="/repos/acme/web")
            await say(server, id=2, method="tools/call", params=READ)
            await hanging(running)
            [lent] = list(running.sandbox.ledger)[before:]
            assert lent.revoked_at is None
            assert server.stdout
            with anyio.fail_after(PROMPTLY):
                if end == "hang up":
                    assert server.stdin
                    await server.stdin.aclose()
                else:
                    server.send_signal(getattr(signal, end))
                told = json.loads(await BufferedByteReceiveStream(server.stdout).receive_until(b"\n", 1_000_000))
                assert await server.wait() == 0
            assert told["result"]["_meta"]["dev.loaner/error"]["code"] == "provider_unavailable"
            assert lent.revoked_at, end
            assert not list((tmp_path / "servers").glob("*.json"))
            running.sandbox.faults.clear()


async def test_under_nohup_a_closed_terminal_ends_nothing(running: RunningSandbox, tmp_path: Path) -> None:
    command = ["nohup", sys.executable, "-m", "loaner", "serve"]
    async with raw_server(tmp_path, running, command) as server:
        server.send_signal(signal.SIGHUP)
        await say(server, id=3, method="tools/list")
        assert server.stdout
        with anyio.fail_after(PROMPTLY):
            assert b"tools" in await BufferedByteReceiveStream(server.stdout).receive_until(b"\n", 10_000_000)
        server.send_signal(signal.SIGTERM)
        assert await server.wait() == 0


ASKS_AGAIN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"url": {}}},
}


@pytest.mark.parametrize("end", ["hang up", "SIGTERM"])
async def test_whoever_is_held_for_a_persons_answer_is_told_not_yet_at_the_end(
    running: RunningSandbox, tmp_path: Path, end: str
) -> None:
    command = [sys.executable, "-m", "loaner", "serve", f"--sandbox={running.base_url}"]
    environment = {
        **os.environ,
        "LOANER_HOME": str(tmp_path),
        "LOANER_CONSENT__HOLD_SECONDS": "50",
    }  # longer than any end takes
    async with await anyio.open_process(command, env=environment, stderr=None) as server:
        assert server.stdin
        assert server.stdout
        heard = BufferedByteReceiveStream(server.stdout)
        call = {**WRITE, "_meta": ASKS_AGAIN}
        with anyio.fail_after(2 * PROMPTLY):
            await say(server, id=1, method="tools/call", params=call)
            asked = json.loads(await heard.receive_until(b"\n", 1_000_000))["result"]
            again = {"requestState": asked["requestState"], "inputResponses": {"consent": {"action": "accept"}}}
            await say(server, id=2, method="tools/call", params=call | again)
            while not turns_spent(tmp_path):  # noqa: ASYNC110 - by another process, just before it holds the call
                await anyio.sleep(0.02)
            if end == "hang up":
                await server.stdin.aclose()
            else:
                server.send_signal(signal.SIGTERM)
            told = json.loads(await heard.receive_until(b"\n", 1_000_000))
            assert await server.wait() == 0
    assert told["id"] == 2
    assert "requestState" in told["result"]
    assert "inputRequests" not in told["result"]


def turns_spent(home: Path) -> int:
    with sqlite3.connect(home / "loaner.db") as store:
        return int(store.execute("select count(*) from throttles where key like 'turn %'").fetchone()[0])


@pytest.mark.parametrize(
    ("call", "path", "code"),
    [(READ, "/repos/acme/web", "provider_unavailable"), (WRITE, "/repos/acme/web/issues", "outcome_unknown")],
    ids=["read", "write"],
)
async def test_a_server_whose_parent_is_killed_gives_back_what_it_lent_and_is_gone(
    running: RunningSandbox, tmp_path: Path, call: dict[str, Any], path: str, code: str
) -> None:
    """Nobody is there to be told; the records tell it all the same."""
    if call is WRITE:
        async with local_agent(tmp_path, running.base_url, name="raw") as agent:
            url = error_of(await agent.call_tool(WRITE["name"], WRITE["arguments"]))["url"]  # type: ignore[arg-type]
            person = Person("alice", running.base_url)
            await anyio.to_thread.run_sync(lambda: person.visit(url, loaner_url=url.rpartition("/consent/")[0]))
    async with raw_server(tmp_path, running, [sys.executable, "-c", AS_HOSTS_DO], subprocess.PIPE) as host:
        before = len(list(running.sandbox.ledger))
        running.sandbox.faults.add("github", "hang", path=path)
        await say(host, id=2, method="tools/call", params=call)
        await hanging(running)
        [lent] = list(running.sandbox.ledger)[before:]
        assert lent.revoked_at is None
        host.kill()
        assert host.stderr
        with anyio.fail_after(PROMPTLY):
            said = b"".join([part async for part in host.stderr])  # to its end: the server holds it open while it lives
    assert lent.revoked_at
    assert not list((tmp_path / "servers").glob("*.json"))
    assert b"Traceback" not in said
    assert outcome(tmp_path, call["name"]) == code


def outcome(home: Path, tool: str) -> str | None:
    """What the records say of the last call of a tool."""
    with sqlite3.connect(home / "loaner.db") as store:
        bodies = [json.loads(row[0]) for row in store.execute("select body from records order by seq")]
    return [body.get("code") for body in bodies if (body["kind"], body.get("tool")) == ("call", tool)][-1]
