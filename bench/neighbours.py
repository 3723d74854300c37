"""What one client does to the others: their latency beside half-open connections, sessions and large calls, as ratios.

    python bench/neighbours.py [ROUNDS]

Each round measures reads of one person undisturbed and disturbed, turn by turn, so that a busy machine weighs on both.
Printed are medians of the rounds' ratios of p99, and how many requests were refused (there should be none).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import anyio
import httpx2

from loaner import settings, web
from loaner.assembly import open_loaner
from loaner.cli import _listening, _sandboxed
from loaner.identity.issuer_keys import IssuerKeys
from loaner.mcp_server.http import create_app
from loaner.sandbox.run import serving

REQUESTS = 100
MODERN = {"mcp-protocol-version": "2026-07-28", "content-type": "application/json"}
MODERN |= {"accept": "application/json, text/event-stream"}
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass
class Town:
    url: str
    port: int
    tokens: dict[str, dict[str, str]]


@contextlib.asynccontextmanager
async def town(home: Path) -> AsyncIterator[Town]:
    async with serving(home=home) as running:
        chosen = _sandboxed.on_sandbox(settings.load(home=home), running.base_url)
        listener = _listening.loopback(0)
        async with open_loaner(chosen, connectors=_sandboxed.connectors()) as loaner:
            loaner.base_url = _listening.url(listener)
            if chosen.identity is None:
                raise RuntimeError("a sandbox has an issuer")
            keys = IssuerKeys(chosen.identity.issuer, now=loaner.now)
            app = create_app(loaner, web.routes(web.signed_in_site(loaner, chosen.identity, keys)), keys=keys)
            tokens = {}
            async with httpx2.AsyncClient(trust_env=False) as http:
                for user in ("alice", "bob"):
                    wanted = {"user": user, "agent": "bench", "audience": f"{loaner.base_url}/mcp"}
                    answer = await http.post(f"{running.base_url}/idp/sandbox/token", json=wanted)
                    tokens[user] = {"authorization": f"Bearer {answer.json()['access_token']}"}
            port = listener.getsockname()[1]
            async with _listening.served(app, listener, lifespan="on", limits=chosen.limits, shutdown=loaner.shutdown):
                yield Town(f"{loaner.base_url}/mcp", port, tokens)


def message(tool: str, arguments: dict[str, object]) -> bytes:
    params = {"name": tool, "arguments": arguments, "_meta": META}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()


async def p99(place: Town) -> tuple[float, int]:
    """Milliseconds of Alice's calls, each on a connection of its own; and how many were refused."""
    took, refused = [], 0
    headers = MODERN | place.tokens["alice"] | {"mcp-method": "tools/call", "mcp-name": "loaner_status"}
    for _ in range(REQUESTS):
        began = perf_counter()
        try:
            async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
                answer = await http.post(place.url, content=message("loaner_status", {}), headers=headers)
            refused += answer.status_code != 200 or answer.json()["result"].get("isError", False)
        except httpx2.HTTPError:
            refused += 1
        took.append((perf_counter() - began) * 1000)
    return statistics.quantiles(took, n=100)[98], refused


async def half_open(place: Town) -> Callable[[], None]:
    writers = []
    for _ in range(1100):
        _, writer = await asyncio.open_connection("127.0.0.1", place.port)
        writer.write(b"POST /mcp HTTP/1.1\r\nHost: ")
        writers.append(writer)
    return lambda: [writer.transport.abort() for writer in writers] and None


async def sessions(place: Town) -> Callable[[], None]:
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "b", "version": "1"}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}).encode()
    headers = {name: value for name, value in MODERN.items() if name != "mcp-protocol-version"} | place.tokens["bob"]
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
        for _ in range(1000):
            await http.post(place.url, content=body, headers=headers)
    return lambda: None


async def large_calls(place: Town) -> Callable[[], None]:
    """Bob repeats them as fast as they are answered, until it is over."""
    body = message("github_get_me", {f"k{n}": 1 for n in range(140_000)})
    headers = MODERN | place.tokens["bob"] | {"mcp-method": "tools/call", "mcp-name": "github_get_me"}

    async def repeat() -> None:
        async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
            while True:
                await http.post(place.url, content=body, headers=headers)

    return asyncio.get_running_loop().create_task(repeat()).cancel


DISTURBED: dict[str, Callable[[Town], Awaitable[Callable[[], object]]]] = {
    "1,100 half-open connections of the same address": half_open,
    "1,000 sessions opened by one person": sessions,
    "1.8 MB calls of one person without end": large_calls,
}


async def main(rounds: int) -> None:
    for what, disturb in DISTURBED.items():
        ratios, refusals = [], 0
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as home:
                async with town(Path(home)) as place:
                    await p99(place)  # warm
                    alone, _ = await p99(place)
                    over = await disturb(place)
                    beside, refused = await p99(place)
                    over()
                    ratios.append(beside / alone)
                    refusals += refused
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{what}: p99 x {statistics.median(ratios):.2f} ({spread}), {refusals} refused", flush=True)


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 3)
