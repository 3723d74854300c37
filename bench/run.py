"""Side by side with a bare MCP server: print the tables, and leave the figures as JSON."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import anyio
import cold_start
import from_clone
import read_through_stdio
from figures import surroundings
from read_through_stdio import Setting


def chosen() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: a look, no figures to quote")
    parser.add_argument("--clone", action="store_true", help="also time git clone to the end of the demo")
    parser.add_argument("--json", type=Path, metavar="FILE", help="leave the figures there")
    return parser.parse_args()


async def measured(*, quick: bool) -> dict[str, Any]:
    rounds, calls = (3, 16) if quick else (9, 48)
    settings = [Setting(rounds, calls, at_once, delay) for delay in (0, 0.05) for at_once in (1, 16)]
    return {
        "read_through_stdio": [await read_through_stdio.measure(setting) for setting in settings],
        "cold_start": await cold_start.measure(3 if quick else 9),
    }


def main() -> None:
    wanted = chosen()
    figures = {"surroundings": surroundings()}
    print("  ".join(f"{name} {value}" for name, value in figures["surroundings"].items()))
    figures |= anyio.run(lambda: measured(quick=wanted.quick))  # a void run ends here, with its BrokenRunError
    if wanted.clone:
        figures["from_clone"] = from_clone.measure()
    if wanted.json:
        wanted.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
