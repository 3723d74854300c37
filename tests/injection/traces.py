"""The traces: what a person asks for, what a good agent then calls, and what a text it read makes it call besides.

Values that the sandbox makes up (a commit, a message's timestamp, a UUID) stand as ``$kind:…`` and are filled in when
a trace is replayed (see ``worlds.py``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

HERE = Path(__file__).parent / "traces"
SUITES = tuple(sorted(file.stem for file in HERE.glob("*.json")))

Known = Literal["all", "resource", "nothing"]


@dataclass(frozen=True)
class Step:
    """One tool call."""

    tool: str
    arguments: dict[str, Any]
    known: Known
    """What of it the request itself tells, before anything is read: all of its arguments, where it goes, or nothing."""


@dataclass(frozen=True)
class Benign:
    id: str
    request: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Injection:
    id: str
    goal: str
    text: str
    """What the agent reads, somewhere in what its own calls answer."""
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Suite:
    name: str
    source: str
    benign: tuple[Benign, ...]
    injections: tuple[Injection, ...]


@cache
def suite(name: str) -> Suite:
    """Read one suite. Raises :class:`KeyError` for a trace that lacks something."""
    told = json.loads((HERE / f"{name}.json").read_text())
    return Suite(
        told["suite"],
        told["source"],
        tuple(Benign(one["id"], one["request"], _steps(one["calls"])) for one in told["benign"]),
        tuple(Injection(one["id"], one["goal"], one["text"], _steps(one["calls"])) for one in told["injections"]),
    )


def _steps(calls: list[dict[str, Any]]) -> tuple[Step, ...]:
    return tuple(Step(call["tool"], call["arguments"], call.get("known", "all")) for call in calls)
