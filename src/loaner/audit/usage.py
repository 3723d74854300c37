"""How much was lent, called and denied, counted from the records and from nothing else.

One loan is counted once, at the first record that names it: calls that share a loan are several calls and one loan.
Days are of UTC, and a call is of the day on which it was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Final

from loaner.audit.chain import Record
from loaner.clock import from_iso


def _person(said: Mapping[str, Any]) -> str:
    return str(said["sub"]) if said["issuer"] == "local" else f"{said['sub']} ({said['issuer']})"


def _agent(said: Mapping[str, Any]) -> str:
    return str(said.get("agent", "")) if said.get("agent_verified") else f"reported:{said.get('agent', '')}"


DIMENSIONS: Final[dict[str, Callable[[Mapping[str, Any]], str]]] = {
    "person": _person,
    "agent": _agent,
    "connector": lambda said: str(said.get("connector", "")),
    "provider": lambda said: str(said.get("provider", "")),
    "project": lambda said: str(said.get("resource", "")),
    "environment": lambda said: str(said.get("environment", "")),
    "task": lambda said: str(said.get("task", "")),
    "tool": lambda said: str(said.get("tool", "")),
    "day": lambda said: asked_at(said)[:10],
}
"""By what can be counted. A project is what was worked on: a repository, channel or team, as the record names it."""
_OUTCOMES: Final = {"ok": "ok", "consent_needed": "asked", "denied": "denied", "refused": "denied", "failed": "failed"}


@dataclass
class Counts:
    calls: int = 0
    """By agents. What loaner looked up for one beforehand is counted apart."""
    ok: int = 0
    asked: int = 0
    """A person was to be asked, and nothing was sent."""
    denied: int = 0
    """By a person, by a rule, or because it did not fit."""
    failed: int = 0
    unknown: int = 0
    look_ups: int = 0
    loans: int = 0
    requests: int = 0
    """With what was lent."""

    def add(self, other: Counts) -> None:
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))


COUNTED: Final = tuple(one.name for one in fields(Counts))


@dataclass
class Usage:
    by: tuple[str, ...]
    rows: dict[tuple[str, ...], Counts] = field(default_factory=dict)
    total: Counts = field(default_factory=Counts)

    def listed(self) -> list[dict[str, Any]]:
        """A row for each combination that occurred, in order."""
        return [dict(zip(self.by, key, strict=True)) | vars(counts) for key, counts in sorted(self.rows.items())]


@dataclass(frozen=True)
class Span:
    """From a moment on, up to another and without it; either may be open."""

    start: datetime | None = None
    end: datetime | None = None

    def holds(self, at: datetime) -> bool:
        return (self.start is None or self.start <= at) and (self.end is None or at < self.end)


def counted(records: Iterable[Record], by: tuple[str, ...], span: Span) -> Usage:
    """Count each call of the span once, and each loan at the first record that names it."""
    usage = Usage(by)
    known = {""}
    for record in records:
        said = record.body
        if said["kind"] not in {"call", "look_up"}:
            continue
        loan = str(said.get("loan_id", ""))
        new = loan not in known
        known.add(loan)
        if not span.holds(from_iso(asked_at(said))):
            continue
        counts = _of(said, loans=int(new))
        usage.rows.setdefault(tuple(DIMENSIONS[name](said) for name in by), Counts()).add(counts)
        usage.total.add(counts)
    return usage


def asked_at(said: Mapping[str, Any]) -> str:
    """When it began; what is no call has only the moment at which it was recorded."""
    return str(said.get("asked_at") or said["at"])


def _of(said: Mapping[str, Any], *, loans: int) -> Counts:
    counts = Counts(loans=loans, requests=int(said.get("used") or 0))
    if said["kind"] == "look_up":
        counts.look_ups = 1
        return counts
    counts.calls = 1
    name = _OUTCOMES.get(said.get("outcome", ""), "unknown")
    setattr(counts, name, 1)
    return counts


def last_used(records: Iterable[Record]) -> dict[tuple[str, str], datetime]:
    """For each connector and permission, when a call last needed it and was given it."""
    seen: dict[tuple[str, str], datetime] = {}
    for record in records:
        said = record.body
        if said["kind"] in {"call", "look_up"} and said.get("loan_id"):
            at = from_iso(asked_at(said))
            for permission in said.get("needed_permissions") or ():
                key = str(said.get("connector", "")), str(permission)
                seen[key] = max(at, seen.get(key, at))
    return seen
