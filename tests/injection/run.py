"""Replay the traces and print what came of them.

Every pair of a benign task and an injection under every regime takes long; ``--per-goal`` takes so many benign tasks
for each goal, spread evenly, the same ones each time.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import anyio

from injection.replay import ASKED_READS, REGIMES, Regime, Replayed, Stage, Tried, stage
from injection.report import survivors, table
from injection.traces import SUITES, Benign, Injection, Suite, suite

_APART = 7
"""Neighbouring goals meet different tasks; prime to the number of tasks in each suite."""


def pairs(of: Suite, per_goal: int) -> Iterator[tuple[Benign, Injection]]:
    """``per_goal`` benign tasks for each injection; 0 for all."""
    count = min(per_goal or len(of.benign), len(of.benign))
    for place, injection in enumerate(of.injections):
        for nth in range(count):
            yield of.benign[(place * _APART + nth * len(of.benign) // count) % len(of.benign)], injection


async def replays(of: Suite, regime: Regime, ready: Stage, per_goal: int) -> AsyncIterator[Replayed]:
    """Every benign task by itself, then the pairs."""
    for benign in of.benign if per_goal not in {1, 2, 3} else of.benign[::10]:
        yield await ready.replay(of.name, regime, benign, None)
    for benign, injection in pairs(of, per_goal):
        yield await ready.replay(of.name, regime, benign, injection)


async def collected(
    suites: Sequence[str], regimes: Sequence[Regime], per_goal: int, home: Path, kept: Path | None = None
) -> list[Replayed]:
    """All of them, kept in a file as they come. One town for the regimes that ask, and one whose policy asks nobody."""
    found: list[Replayed] = []
    for town in ("", "free", "reads"):
        mine = [regime for regime in regimes if _town_of(regime) == town]
        steps = [
            step for name in suites for one in (*suite(name).benign, *suite(name).injections) for step in one.steps
        ]
        if not mine:
            continue
        async with stage(
            home / f"town-{town}" / "home", steps, anything_goes=town == "free", asks_reads=town == "reads"
        ) as ready:
            for name in suites:
                for regime in mine:
                    found += [one async for one in replays(suite(name), regime, ready, per_goal)]
                    sys.stderr.write(f"{name} {regime}: {len(found)} replays so far\n")
                    if kept:
                        await anyio.Path(kept).write_text(json.dumps([asdict(one) for one in found]))
    return found


def _town_of(regime: Regime) -> str:
    return "free" if regime == "scope" else "reads" if regime in ASKED_READS else ""


def read(files: Sequence[Path]) -> list[Replayed]:
    """Results that ``--json`` left."""
    told = [one for file in files for one in json.loads(file.read_text())]
    return [Replayed(**{**one, "tried": [Tried(**tried) for tried in one["tried"]]}) for one in told]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", choices=SUITES, action="append")
    parser.add_argument("--regime", choices=REGIMES, action="append")
    parser.add_argument("--per-goal", type=int, default=0, help="benign tasks for each goal; 0: all")
    parser.add_argument("--json", type=Path, help="leave every result here")
    parser.add_argument("--read", type=Path, nargs="+", help="print results that --json left; replay nothing")
    chosen = parser.parse_args()
    if chosen.read:
        found = read(chosen.read)
    else:
        with tempfile.TemporaryDirectory(prefix="injection-") as home:
            suites, regimes = chosen.suite or list(SUITES), chosen.regime or list(REGIMES)
            found = anyio.run(collected, suites, regimes, chosen.per_goal, Path(home), chosen.json)
    sys.stdout.write(f"{table(found)}\n")
    for regime in REGIMES[1:]:
        if reached := survivors(found, regime):
            sys.stdout.write(f"\nnot stopped, {regime}: {'; '.join(reached)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
