"""Asking the provider for the one name and the id of what a call is about: an id has a name, and issues move."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from pydantic import Field

from loaner.catalog.base import Definition
from loaner.catalog.result import Of, look
from loaner.catalog.step import Step


class Identified(NamedTuple):
    resource: str
    id: str
    around: tuple[str, ...] = ()
    """What it is a part of, where its name does not say so."""


class Identify(Definition):
    """One request about one resource. The step may use ``{ taken = "wanted" }``, its name as the call gives it."""

    matching: str = ".*"
    """Names that may not be the canonical one; any other is."""
    step: Step
    """The request."""
    name: str
    """Dotted path in the answer to the canonical name, and to the id."""
    id: str
    """Dotted path in the answer to the id."""
    prefix: str = ""
    """Before the name, where the provider leaves it out: ``#``."""
    lasting: bool = False
    """Names are exact there and can still change hands: only the id is asked for, before what is changed under an
    approval that is not of one exact call."""
    around: tuple[Of, ...] = ()
    """Where the answer says what it is a part of: the teams of a project. A rule about one of them is about it too, and
    one of which no part is told is not found."""
    lookup: str | None = None
    """The look-up that takes the same permissions."""

    refuses: dict[str, str] = Field(default_factory=dict)
    """Booleans of that answer (dotted paths) that keep everything from being changed, and the reason that each is."""
    moved: str | None = None
    """Pattern of the path to which the provider sends on what has another name now; its one group is the id."""
    by_id: Step | None = None
    """The same request by that id, as ``{ taken = "wanted" }``."""

    def is_for(self, name: str) -> bool:
        return re.fullmatch(self.matching, name) is not None

    def found(self, body: Any, kind: str) -> Identified | None:
        """The resource, its id and what is around it; ``None`` where the answer lacks the name or the id."""
        said = look(body, "data") if self.step.graphql else body
        name, known = look(said, self.name), look(said, self.id)
        if not isinstance(name, str) or not isinstance(known, str | int) or not name or not known:
            return None
        around = tuple(one for source in self.around for one, _ in source.named(said))
        if self.around and not around:
            return None  # it may be a part of what a rule forbids
        return Identified(f"{kind}:{self.prefix}{name}", str(known), around)
