"""What a call is about, as the provider knows it: told to whoever decides before anything else is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from loaner.catalog.identify import Identified, Identify
from loaner.scope import Beside


@dataclass(frozen=True)
class Meeting:
    resource: str
    """As the call was ruled on, with its kind."""
    identify: Identify | None
    """How to ask for its canonical name; ``None`` where nobody wants to know it."""
    known: Callable[[Identified], Awaitable[None]]
    """Takes what it is, with an empty id where that stays unknown. What it raises ends the call."""
    agreed: str = ""
    """The id that the approval stands for, where that is known."""
    wants_id: bool = False
    """The rules go by ids: it is asked for, and the call ends where it stays unknown."""
    beside: Callable[[tuple[Beside, ...]], Awaitable[None]] | None = None
    """Takes what the call reaches into besides, by its canonical names; ``None`` where nobody wants to know it."""
    may: Callable[[frozenset[str]], bool] = lambda _: False
    """Does the grant have these permissions?"""

    @property
    def kind(self) -> str:
        return self.resource.partition(":")[0]

    @property
    def name(self) -> str:
        return self.resource.partition(":")[2]
