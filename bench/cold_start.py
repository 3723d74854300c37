"""From starting the process to the first answer to tools/list over stdio, in turns with a bare server."""

from __future__ import annotations

import time
from typing import Any

import world
from figures import Spread, paired, plain
from mcp import Client, StdioServerParameters


async def start(server: StdioServerParameters) -> float:
    """Seconds until the tools are known."""
    began = time.perf_counter()
    async with Client(server) as client:
        listed = await client.list_tools()
        took = time.perf_counter() - began
    if not listed.tools:
        raise RuntimeError("no tools were listed")
    return took


async def measure(rounds: int) -> dict[str, Any]:
    """All rounds, after one that is not counted: the very first start also makes loaner's store."""
    ours: list[float] = []
    theirs: list[float] = []
    async with world.running() as here:
        for number in range(rounds + 1):
            turns = [(here.bare("unused"), theirs), (here.loaner(), ours)]
            for server, kept in turns if number % 2 else reversed(turns):
                kept.append(await start(server) * 1000)
    first, ours, theirs = ours[0], ours[1:], theirs[1:]
    print(f"\nspawn to first tools/list over stdio, {rounds} rounds")
    print(f"  loaner {Spread.of(ours).shown(' ms', 0)}   bare server {Spread.of(theirs).shown(' ms', 0)}", end="   ")
    print(f"ratio {paired(ours, theirs).shown('×', 2)}   very first start {first:.0f} ms")
    return {
        "first_ms": first,
        "loaner_ms": plain(Spread.of(ours)),
        "bare_ms": plain(Spread.of(theirs)),
        "ratio": plain(paired(ours, theirs)),
    }
