"""What a good agent proposes as a task when all it has is the person's request."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from injection.traces import Benign, Step
from injection.worlds import Worlds
from loaner import catalog
from loaner.scope import Scope

CATALOG = catalog.load()


def proposed(benign: Benign, regime: str, worlds: Worlds) -> dict[str, Any] | None:
    """Each tool with the number of calls.

    ``tools`` is bound to no resource; ``resources`` (and ``ended``) binds each tool to those that the request tells for
    it, and leaves out a tool for which it tells none; ``told`` binds each call so, and says of its arguments what the
    request tells: all of them exactly, or which ones they are; ``arguments`` has every call whose arguments the request
    tells, exactly, and leaves out the others.
    """
    steps = [step for step in benign.steps if CATALOG[step.tool].effect != "destructive"]  # never part of a task
    if regime == "arguments":
        steps = [step for step in steps if step.known == "all"]
    items = [(step, _item(step, regime, worlds)) for step in steps]
    everything = {_resource(step, benign.request, worlds) for step in steps if step.known != "nothing"}
    if regime in {"resources", "told", "ended"}:
        about = _about(steps, benign.request, worlds, everything, by_tool=regime != "told")
        items = [(step, item | {"resources": sorted(on)}) for (step, item), on in zip(items, about, strict=True) if on]
    resources = ["*"] if regime == "tools" else sorted(everything)
    if not items or not resources:
        return None
    wanted: dict[str, dict[str, Any]] = {}
    for _, item in items:
        wanted.setdefault(json.dumps(item, sort_keys=True), item | {"count": 0})["count"] += 1
    return {
        "purpose": benign.request[:200],
        "operations": list(wanted.values()),
        "resources": resources,
        "minutes": 30,
    }


def _item(step: Step, regime: str, worlds: Worlds) -> dict[str, Any]:
    if regime == "arguments" or (regime == "told" and step.known == "all"):
        return {"tool": step.tool, "arguments": worlds.filled(step.arguments)}
    return {"tool": step.tool} | ({"open": _open(step)} if regime == "told" else {})


def _open(step: Step) -> list[str]:
    """Which arguments the request leads to, if not what they are: a better title is a title. Where something new is
    written, nobody can tell beforehand which of its texts that takes."""
    operation = CATALOG[step.tool]
    texts = {name for name, param in operation.params.items() if param.role == "content" and not operation.overwrites}
    return sorted(texts | set(step.arguments))


def _about(
    steps: Sequence[Step], request: str, worlds: Worlds, everything: set[str], *, by_tool: bool
) -> list[set[str]]:
    """What each call is for; ``by_tool``: what any call of its tool is."""
    own = [
        # An issue that it has yet to find is in a team that is told.
        {_scope(step, worlds).wider} & everything if step.known == "nothing" else {_resource(step, request, worlds)}
        for step in steps
    ]
    if not by_tool:
        return own
    together: dict[str, set[str]] = defaultdict(set)
    for step, on in zip(steps, own, strict=True):
        together[step.tool] |= on
    return [together[step.tool] for step in steps]


def _resource(step: Step, request: str, worlds: Worlds) -> str:
    """What the call is about, as narrow as the request itself says it: an issue only where it names the issue."""
    found = _scope(step, worlds)
    mark = re.split("[/#@:]", found.narrower)[-1].removesuffix(".md")  # who says README means README.md
    return found.narrower if mark and re.search(rf"(?<!\w){re.escape(mark)}(?!\w)", request) else found.resource


def _scope(step: Step, worlds: Worlds) -> Scope:
    return CATALOG[step.tool].bind(worlds.filled(step.arguments)).scope
