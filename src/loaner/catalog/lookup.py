"""Resolving a name that people use to the id that the provider wants, under the same credential as the call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from loaner.catalog.base import Definition
from loaner.catalog.result import look
from loaner.catalog.rule import ScopeRule
from loaner.catalog.step import Step


class Lookup(Definition):
    """Searches a list for a name. The step may use ``{ taken = "cursor" }`` and ``{ taken = "wanted" }``."""

    ids: str
    """What is an id already. Anything else is looked up: what is neither never goes out as an id."""
    strip: str = ""
    """A sign before the name that the list does not have."""
    means: str
    """What was not found, for the error: ``channel of that name``."""
    hint: str = "Check the name, or give the id."
    """What to do where nothing is found."""
    step: Step
    """The request for the list."""
    shorter: Step | None = None
    """Asked before: a list of the same shape with most of what people mean, such as the channels that they are in."""
    items: str
    """Dotted path to the list in the answer."""
    match: tuple[str, ...]
    """Dotted paths to what an item is called, the first to be preferred."""
    ignores_case: bool = False
    """Names are compared without regard to case."""
    shared: bool = False
    """Several of one name are meant together: the state “Todo” of each team."""
    id: str
    """Dotted path to the id of an item."""
    name: str = ""
    """Dotted path to the canonical name, where what is wanted may be another."""
    next: str | None = None
    """Dotted path to the mark of the next page."""
    pages: int = 10
    """Of each list; what is further on is not looked for."""
    kind: str | None = None
    """An id that was found lately is used again, once ``[identify]`` of this kind says that it is still called so."""
    scope: ScopeRule
    """What the look-up needs."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """The lists, in the order in which they are asked for."""
        return (self.shorter, self.step) if self.shorter else (self.step,)

    def needed(self, value: Any) -> bool:
        return isinstance(value, str) and re.fullmatch(self.ids, value) is None

    def wanted(self, value: str) -> str:
        return value.removeprefix(self.strip)

    def among(self, items: Any, wanted: str) -> list[tuple[str, str]]:
        """Id and canonical name of those that are called so, by what is preferred; empty where the answer has none."""
        for path in self.match:
            if found := [
                one for item in _listed(items) if self._is(look(item, path), wanted) and (one := self._of(item))
            ]:
                return list(dict.fromkeys(found))[: 1 if self.shared else None]
        return []

    def _is(self, name: Any, wanted: str) -> bool:
        if not isinstance(name, str):
            return False
        return name.casefold() == wanted.casefold() if self.ignores_case else name == wanted

    def _of(self, item: Any) -> tuple[str, str] | None:
        known, name = look(item, self.id), look(item, self.name) if self.name else ""
        return (known, name) if isinstance(known, str) and isinstance(name, str) else None

    @property
    def usual(self) -> frozenset[str]:
        """What it needs where the call does not say more: the narrowest case."""
        cases = self.scope.cases()
        return cases[0].permissions if cases else frozenset()

    def permissions_for(self, arguments: Mapping[str, Any]) -> frozenset[str]:
        return self.scope.permissions_for(arguments)


def _listed(items: Any) -> list[Any]:
    return items if isinstance(items, list) else []
