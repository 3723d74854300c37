"""What the provider says that a name means, at the moment when a person is asked about it: a name and an id."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from loaner.grants.consent import Consent


@dataclass(frozen=True)
class Known:
    """One resource as it was found."""

    called: str
    """As the call names it, with its kind."""
    resource: str
    """By its canonical name."""
    id: str

    @property
    def ids(self) -> Mapping[str, str]:
        return {self.called: self.id, self.resource: self.id}

    @property
    def shown(self) -> dict[str, Any]:
        """For the question: what the person reads, and what the yes is tied to."""
        return {"ids": dict(self.ids), "known": {"name": self.resource.partition(":")[2], "id": self.id}}


Look = Callable[[Consent], Awaitable[Known | None]]
"""Asks the provider, on the grant of a consent; ``None`` where it cannot be known."""


def once(look: Look) -> Look:
    """The same look, which asks the provider at most once."""
    found: list[Known | None] = []

    async def looked(consent: Consent) -> Known | None:
        if not found:
            found.append(await look(consent))
        return found[0]

    return looked
