"""A read through loaner against the same read through a bare server, all over stdio, in turns.

loaner mints a token for the one call, uses it, gives it back and writes a record. The bare server has a static token.
The third side mints and revokes by hand, with no consent, journal or record: what the providers alone cost.
The run fails when any answer is wrong, or when the providers' ledger does not show one token per call, used once and
dead afterwards: a number from a broken run is worth nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import anyio
import world
from figures import Round, Spread, paired, plain
from mcp import Client
from mcp.types import CallToolResult

TOOL = "github_get_repository"
ARGUMENTS = {"owner": "acme", "repo": "web"}


class BrokenRunError(Exception):
    """What was measured is not what was meant."""


@dataclass(frozen=True)
class Setting:
    """How much to measure: `rounds` turns for each side, of `calls` calls with `at_once` in flight.

    The provider takes `delay` seconds for each answer.
    """

    rounds: int = 7
    calls: int = 40
    at_once: int = 1
    delay: float = 0


async def read(client: Client) -> float:
    """One read; seconds. Raises BrokenRunError unless the right repository came back."""
    began = time.perf_counter()
    result = await client.call_tool(TOOL, ARGUMENTS)
    took = time.perf_counter() - began
    if result.is_error or (result.structured_content or {}).get("full_name") != "acme/web":
        raise BrokenRunError(f"not the repository: {result.content}")
    return took


async def turn(client: Client, setting: Setting) -> Round:
    """One side's turn."""
    latencies: list[float] = []

    async def caller(calls: int) -> None:
        latencies.extend([await read(client) for _ in range(calls)])

    share, rest = divmod(setting.calls, setting.at_once)
    began = time.perf_counter()
    async with anyio.create_task_group() as group:
        for number in range(setting.at_once):
            group.start_soon(caller, share + (number < rest))
    return Round(time.perf_counter() - began, tuple(latencies))


async def consent(client: Client, here: world.World) -> None:
    """Ask once, let alice agree, ask until it works: from then on a grant covers the read."""
    first = await client.call_tool(TOOL, ARGUMENTS)
    await here.approve(code_of(first), "alice")
    for _ in range(20):
        if not (await client.call_tool(TOOL, ARGUMENTS)).is_error:
            return
        await anyio.sleep(0.5)
    raise BrokenRunError("the consent was given and the call still does not work")


def code_of(result: CallToolResult) -> str:
    """The code to compare, from the machine-readable part of the answer."""
    facts: dict[str, Any] = (result.meta or {}).get("dev.loaner/error", {})
    if "user_code" not in facts:
        raise BrokenRunError(f"asked for no consent: {result.content}")
    return str(facts["user_code"])


async def settled(here: world.World, calls: int, patience: float = 20) -> list[dict[str, Any]]:
    """The lent tokens once all are dead. Raises BrokenRunError unless there is one per call, used once."""
    lent: list[dict[str, Any]] = []
    with anyio.move_on_after(patience):
        while True:
            lent = await here.ledger()
            if len(lent) >= calls and all(entry["revoked"] for entry in lent):
                break
            await anyio.sleep(0.1)
    alive, reads = sum(not entry["revoked"] for entry in lent), {entry["uses"] for entry in lent}
    if len(lent) != calls or alive or reads != {1}:
        raise BrokenRunError(f"{calls} calls, {len(lent)} tokens, {alive} alive, reads per token {sorted(reads)}")
    return lent


async def measure(setting: Setting) -> dict[str, Any]:
    """All rounds. Raises BrokenRunError."""
    rounds: dict[str, list[Round]] = {"loaner": [], "bare": [], "by hand": []}
    async with world.running(setting.delay) as here:
        token = await here.static_token("bob")  # so that the ledger tells whose tokens are whose
        async with (
            Client(here.loaner()) as loaner,
            Client(here.bare(token)) as bare,
            Client(here.by_hand(token)) as by_hand,
        ):
            await consent(loaner, here)
            await read(bare)
            await read(by_hand)
            turns = list(zip(rounds.values(), (loaner, bare, by_hand), strict=True))
            for _ in range(setting.rounds):
                for kept, client in turns:
                    kept.append(await turn(client, setting))
                turns.append(turns.pop(0))  # everybody is first in turn
            lent = await settled(here, 2 * (setting.rounds * setting.calls + 1))
    ours = [(entry["revoked"] - entry["minted"]) * 1000 for entry in lent if entry["parent"] != token]
    return report(setting, rounds, Spread.of(ours))


def report(setting: Setting, rounds: dict[str, list[Round]], life: Spread) -> dict[str, Any]:
    """Print the table; answer the same for machines."""
    print(f"\nread through stdio, provider {setting.delay * 1000:.0f} ms, {setting.at_once} at once", end=", ")
    print(f"{setting.rounds} rounds of {setting.calls} calls a side")
    print(f"  {'':8} {'calls/s':>22} {'median ms':>22} {'median, loaner against it':>28}")
    ratios: dict[str, Spread] = {}
    for name, turns in rounds.items():
        rates, medians = [one.calls_per_second for one in turns], [one.median_ms for one in turns]
        ratios[name] = paired([one.median_ms for one in rounds["loaner"]], medians)
        against = "" if name == "loaner" else ratios[name].shown("×", 2)
        print(f"  {name:8} {Spread.of(rates).shown():>22} {Spread.of(medians).shown():>22} {against:>28}")
    print(f"  one token per call, each used once, all dead, loaner's after {life.shown(' ms')}; every answer right")
    return {
        "setting": setting.__dict__,
        "token_life_ms": plain(life),
        "rounds": {name: [plain(one) for one in turns] for name, turns in rounds.items()},
        "median_ratio": {name: plain(ratio) for name, ratio in ratios.items() if name != "loaner"},
    }
