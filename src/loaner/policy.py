"""Rules: may this caller make this call, and must a person be asked first? No I/O, no clock.

Anything but an explicit :class:`Allowed` stops the call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from loaner.caller import Caller
from loaner.catalog.operation import BoundCall
from loaner.scope import Scope

POLICY_VERSION = "builtin-1"


@dataclass(frozen=True)
class Allowed:
    rule: str
    reason: str


@dataclass(frozen=True)
class Ask:
    rule: str
    reason: str
    exact: bool = True
    """The person must see and approve these very arguments."""


@dataclass(frozen=True)
class Refused:
    rule: str
    reason: str
    do: str = ""


Ruling = Allowed | Ask | Refused


class Policy(Protocol):
    """Whatever can rule on a call."""

    @property
    def version(self) -> str:
        """Changes when a rule does: an approval given under other rules is not one under these."""
        ...

    def rule(self, caller: Caller, bound: BoundCall, scope: Scope) -> Ruling: ...


@dataclass(frozen=True)
class BuiltinPolicy:
    """The default: reads inside a grant are allowed, writes are asked for, the rest is refused."""

    read_only: bool = False
    version: str = POLICY_VERSION

    def rule(self, caller: Caller, bound: BoundCall, scope: Scope) -> Ruling:  # noqa: ARG002 - the protocol's shape
        effect = bound.operation.effect
        if effect == "read":
            return Allowed("reads-inside-a-grant", "reads need the person's grant and no approval")
        if self.read_only:
            return Refused("read-only", f"this server was started read-only, and {bound.operation.tool} is a {effect}.")
        if effect in {"write", "destructive"}:
            return Ask(f"{effect}s-ask", f"a {effect} needs the person's approval of this exact call")
        return Refused("unknown-effect", "nothing is known of what this operation changes.")
