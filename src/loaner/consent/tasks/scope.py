"""What a task may do: its tools with a count each, its resources, its end. Values only.

Agreed to by a person before the agent reads anything, so that nothing it reads later can widen it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from loaner.catalog.mentions import NOTIFIES
from loaner.scope import ANYTHING

"""As a resource: whatever the person can reach."""
MAX_MINUTES = 8 * 60
MAX_COUNT = 100


@dataclass(frozen=True)
class Item:
    """One tool of a task, and how often it may be called."""

    tool: str
    count: int
    connector: str
    effect: str
    summary: str
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """Arguments that must be exactly these, or absent where it is ``None``; the others are free."""
    resources: tuple[str, ...] = ()
    """Those of the task's resources that this tool is for; all of them if none is named."""
    says: bool = False
    """Something of what it writes is left to the agent."""
    permissions: tuple[tuple[str, ...], ...] = ()
    """The sets that are agreed to: no call of it needs more than one of them."""
    beyond: tuple[str, ...] = ()
    """What an argument may lead to beside them, which asks; in words."""

    @property
    def said(self) -> dict[str, Any]:
        """Arguments that must be there."""
        return {name: value for name, value in self.fixed.items() if value is not None and name != NOTIFIES}

    @property
    def quiet(self) -> bool:
        """None of its texts may notify anybody."""
        return NOTIFIES in self.fixed

    @property
    def unsaid(self) -> list[str]:
        """Arguments that must be absent."""
        return [name for name, value in self.fixed.items() if value is None]


@dataclass(frozen=True)
class TaskScope:
    purpose: str
    """In the agent's own words: shown as such, and nothing is decided by it."""
    items: tuple[Item, ...]
    resources: tuple[str, ...]
    """``acme/web``, ``acme/web#12`` or ``repository:acme/web``; :data:`ANYTHING` for every one."""
    minutes: int

    def __post_init__(self) -> None:
        # A empty task scope reads like a strict one, and says nothing at all.
        if not self.items or not self.resources:
            raise ValueError("a task needs at least one tool and one resource")
        if not 1 <= self.minutes <= MAX_MINUTES or any(not 1 <= item.count <= MAX_COUNT for item in self.items):
            raise ValueError("a task needs counts and a time within bounds")
        if any(not set(item.resources) <= set(self.resources) for item in self.items):
            raise ValueError("a tool is for resources of the task")

    @property
    def need(self) -> str:
        """Names this proposal, so that a repeated one meets the same question."""
        return hashlib.sha256(json.dumps(self.stored(), sort_keys=True).encode()).hexdigest()

    @property
    def calls(self) -> int:
        return sum(item.count for item in self.items)

    @property
    def phrase(self) -> str:
        """As one sentence, made of nothing that an agent wrote."""
        tools = "1 tool" if len(self.items) == 1 else f"{len(self.items)} tools"
        return f"use {tools} up to {times(self.calls)} on {self.where} for {lasting(self.minutes)}"

    @property
    def where(self) -> str:
        if ANYTHING in self.resources:
            return "anything you can reach"
        first = self.resources[0].partition(":")[2] or self.resources[0]
        return first if len(self.resources) == 1 else f"{len(self.resources)} resources"

    def on(self, item: Item) -> tuple[str, ...]:
        """What this tool is for."""
        return item.resources or self.resources

    def covers(self, other: TaskScope) -> bool:
        """Is the other nowhere wider than this one?"""
        return other.minutes <= self.minutes and all(
            any(
                (item.tool, item.fixed, item.permissions) == (one.tool, one.fixed, one.permissions)
                and item.count <= one.count
                and set(other.on(item)) <= set(self.on(one))
                for one in self.items
            )
            for item in other.items
        )

    def trimmed(self, counts: Mapping[int, int], resources: Collection[int], minutes: int) -> TaskScope:
        """The same with only these items (by place, with a count) and these resources, for at most so long. A tool
        that none of its own resources is left of goes with them.

        Raises :class:`ValueError` for anything that would widen it, or leave nothing.
        """
        for place, count in counts.items():
            if not 0 <= place < len(self.items) or not 1 <= count <= self.items[place].count:
                raise ValueError("a count can only be lowered")
        if not 1 <= minutes <= self.minutes or not set(resources) <= set(range(len(self.resources))):
            raise ValueError("the time can only be shortened")
        kept = tuple(self.resources[place] for place in sorted(resources))
        items = []
        for place, count in sorted(counts.items()):
            item = self.items[place]
            own = tuple(one for one in item.resources if one in kept)
            if own or not item.resources:  # none left is not the same as none named, which means all
                items.append(replace(item, count=count, resources=own))
        return TaskScope(self.purpose, tuple(items), kept, minutes)

    def stored(self) -> dict[str, Any]:
        return {
            "purpose": self.purpose,
            "items": [
                {
                    **vars(item),
                    "fixed": dict(item.fixed),
                    "resources": list(item.resources),
                    "permissions": [list(one) for one in item.permissions],
                    "beyond": list(item.beyond),
                }
                for item in self.items
            ],
            "resources": list(self.resources),
            "minutes": self.minutes,
        }

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> TaskScope:
        items = tuple(
            Item(
                **{
                    **item,
                    "resources": tuple(item.get("resources", ())),
                    "permissions": tuple(tuple(one) for one in item.get("permissions", ())),
                    "beyond": tuple(item.get("beyond", ())),
                }
            )
            for item in stored["items"]
        )
        return cls(stored["purpose"], items, tuple(stored["resources"]), stored["minutes"])


def times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def lasting(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{rest} min" if rest else "") if part)


def plain_value(value: Any) -> Any:
    """A bound argument as JSON would have it, to be compared."""
    return list(value) if isinstance(value, tuple) else value
