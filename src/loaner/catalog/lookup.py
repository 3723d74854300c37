"""Resolving a name that people use to the id that the provider wants, under the same credential as the call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from loaner.catalog.described import Described
from loaner.catalog.rule import ScopeRule
from loaner.catalog.step import Step


class Lookup(Described):
    """Searches a list for ``name``. The step may use ``{ taken = "cursor" }`` and ``{ taken = "wanted" }``."""

    pattern: str
    """Values that have to be resolved; any other is an id already."""
    strip: str = ""
    """A sign before the name that the list does not have."""
    means: str
    """What was not found, for the error: ``channel of that name``."""
    hint: str = "Check the name, or give the id."
    step: Step
    items: str
    """Dotted path to the list in the answer."""
    match: str
    id: str
    next: str | None = None
    """Dotted path to the mark of the next page."""
    pages: int = 10
    scope: ScopeRule

    def needed(self, value: Any) -> bool:
        return isinstance(value, str) and re.fullmatch(self.pattern, value) is not None

    def wanted(self, value: str) -> str:
        return value.removeprefix(self.strip)

    @property
    def usual(self) -> frozenset[str]:
        """What it needs where the call does not say more: the narrowest case."""
        cases = self.scope.cases()
        return cases[0].permissions if cases else frozenset()

    def permissions_for(self, arguments: Mapping[str, Any]) -> frozenset[str]:
        return self.scope.permissions_for(arguments)
