"""A server of its own, as a client starts it, that ends in the middle of its calls."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import anyio
from anyio.abc import Process

from loaner.clock import utc_now
from loaner.journey import ToolCall

SERVER = """
import sys
from datetime import timedelta
from functools import partial
from loaner import assembly
from loaner.cli._app import run
from loaner.clock import utc_now
ahead = timedelta(seconds=float(sys.argv[1]))
assembly.open_loaner = partial(assembly.open_loaner, now=lambda: utc_now() + ahead)
run(["serve", "--sandbox", sys.argv[2]])
"""
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "agent", "version": "1"}}


def server_dies(
    how: signal.Signals, when: str, calls: Mapping[str, Sequence[ToolCall]]
) -> Callable[[Any], Awaitable[None]]:
    """A server of its own on the same store makes all calls, and is told to end when a provider mints, or is used."""

    async def step(world: Any) -> None:
        sandbox, ledger = world.running.sandbox, world.running.sandbox.ledger
        ahead = (sandbox.clock() - utc_now()).total_seconds()
        command = [sys.executable, "-c", SERVER, str(ahead), world.running.base_url]
        env = {**os.environ, "LOANER_HOME": str(world.home)}
        async with await anyio.open_process(command, env=env, stderr=None) as server:
            original = getattr(ledger, when)

            def noticed(*args: Any, **named: Any) -> Any:
                with contextlib.suppress(ProcessLookupError):
                    server.send_signal(how)
                return original(*args, **named)

            every = [call for listed in calls.values() for call in listed]
            asked = [rpc(n, "tools/call", name=one.tool, arguments=one.arguments) for n, one in enumerate(every, 1)]
            setattr(ledger, when, noticed)
            try:
                with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                    await answered(server, rpc(0, "initialize", **HELLO))
                    for one in asked:
                        await answered(server, one)
                    server.send_signal(how)
                with anyio.fail_after(60):
                    await server.wait()
            finally:
                delattr(ledger, when)

    return step


def rpc(number: int, method: str, **params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode() + b"\n"


async def answered(server: Process, line: bytes) -> None:
    """Send one request, and wait for what comes back; raises when the server is gone."""
    assert server.stdin
    assert server.stdout
    await server.stdin.send(line)
    with contextlib.suppress(anyio.EndOfStream):
        while b"\n" not in await server.stdout.receive():
            pass
        return
    raise anyio.ClosedResourceError
