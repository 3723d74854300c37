"""What a policy answers, as frozen values with their reasons. Anything but :class:`Allowed` stops a call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from loaner.catalog.operation import BoundCall
from loaner.identity.caller import Caller
from loaner.scope import Scope


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

    @property
    def protected(self) -> frozenset[str]:
        """Providers of which its rules tell one resource from another: what an answer of them holds is ruled on."""
        ...

    @property
    def by_id(self) -> frozenset[str]:
        """Providers of which its rules tell one resource from another by the provider's own id."""
        ...

    @property
    def by_argument(self) -> frozenset[str]:
        """Providers of which its rules look at arguments that name a thing which has other names."""
        ...

    def admits(
        self, caller: Caller, bound: BoundCall, scope: Scope, at: datetime, ruling: Ruling, *, task: str | None = None
    ) -> bool:
        """May what the answer to a call that was ruled on so says about ``scope`` be seen as well?"""
        ...

    def rule(self, caller: Caller, bound: BoundCall, scope: Scope, at: datetime, *, task: str | None = None) -> Ruling:
        """``task`` is the id of the agreed task that this call is inside of, if it is."""
        ...
