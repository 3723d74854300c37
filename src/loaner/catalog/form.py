"""The shape of a name, and its one canonical spelling: a provider reads ``Acme/Web`` as ``acme/web``.

What is ruled on, agreed to, counted, recorded and sent is the canonical name. A spelling that has none is refused.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from pydantic import field_validator

from loaner.catalog.base import Definition


def _compiles(pattern: str | None) -> str | None:
    if pattern is not None:
        re.compile(pattern)
    return pattern


class Fold(Definition):
    """One way in which the provider tells letters apart no further."""

    case: Literal["lower", "upper"]
    """Letters of the other case are taken as this one."""
    matching: str | None = None
    """Only for names of this pattern; for every one if not said."""

    _pattern = field_validator("matching")(_compiles)

    def is_for(self, name: str) -> bool:
        return self.matching is None or re.fullmatch(self.matching, name) is not None

    def of(self, name: str) -> str:
        return name.lower() if self.case == "lower" else name.upper()


class Form(Definition):
    """A shape that a string must have. ``means`` finishes the sentence "must be …"."""

    pattern: str
    """Pattern of a whole name."""
    means: str
    """What a person reads after "must be": ``a channel's id``."""
    also: str | None = None
    """All that an argument may be, where that is more than names: what only a look-up understands, and no rule or task
    goes by."""
    never: str | None = None
    """Spellings of the pattern that are another name of the same thing: refused. Kept apart from ``pattern``, which
    stands in tool schemas, where hosts cannot look around."""
    creates: bool = False
    """A name that is not there yet is made in the letters that are sent: what is agreed to is one spelling."""
    fold: tuple[Fold, ...] = ()
    """The first that is for a name gives its canonical spelling; without one, letters count as they are."""

    _pattern = field_validator("pattern", "also", "never")(_compiles)

    def fits(self, name: str) -> bool:
        """Is this a name of the shape, in any spelling that has a canonical one?"""
        canonical = self.canonical(name)
        same = len(canonical) == len(name)  # "İ" has no small letter of its own, and "ß" no capital
        return same and self._fits(name) and self._fits(canonical) and self.canonical(canonical) == canonical

    def takes(self, value: str) -> bool:
        """May an argument be this: a name, or what a look-up makes one of?"""
        return self.fits(value) or (self.also is not None and _is_plain(value, self.also))

    @property
    def written(self) -> str:
        """The pattern of all that an argument may be, for tool schemas."""
        return self.also or self.pattern

    def canonical(self, name: str) -> str:
        """The one spelling of a name."""
        return next((fold.of(name) for fold in self.fold if fold.is_for(name)), name)

    def _fits(self, name: str) -> bool:
        refused = self.never is not None and re.fullmatch(self.never, name) is not None
        return not refused and _is_plain(name, self.pattern)


def _is_plain(text: str, pattern: str) -> bool:
    # A full-width letter or the Kelvin sign may or may not be the plain one to a provider: it is never guessed.
    return unicodedata.normalize("NFKC", text) == text and re.fullmatch(pattern, text) is not None
