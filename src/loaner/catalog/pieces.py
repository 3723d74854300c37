"""Text that an answer holds in pieces: in attachments and blocks, at any depth, beside or instead of its own text."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

from pydantic import Field, field_validator

from loaner.catalog.base import Definition

_DEEPEST = 12
"""Levels of an item that are looked through: blocks hold elements that hold elements."""


class Pieces(Definition):
    """Where such pieces are. An item of those lists counts as a whole: it is in the text already, or it is not."""

    under: tuple[str, ...]
    """Fields that hold lists of items."""
    keys: frozenset[str]
    """Fields of an item, or of anything in it, whose texts are pieces."""
    otherwise: str | None = None
    """A field of an item that stands for one without any piece."""
    blank: str = Field(default="")
    """Pattern of a text that only says that there is none to show."""

    @field_validator("blank")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        re.compile(pattern)
        return pattern

    def text(self, document: Any, own: Any) -> str:
        """Its own text; where it has none, all pieces."""
        return own if self._says(own) else "\n".join(" ".join(item) for item in self._items(document))

    def rest(self, document: Any, own: Any) -> str:
        """What its own text does not hold; empty where :meth:`text` is made of the pieces."""
        if not self._says(own):
            return ""
        held = _plain(own)
        items = (item for item in self._items(document) if not all(_plain(piece) in held for piece in item))
        return "\n".join(" ".join(item) for item in items)

    def _says(self, own: Any) -> bool:
        return isinstance(own, str) and bool(own.strip()) and not re.fullmatch(self.blank, own.strip())

    def _items(self, document: Any) -> Iterator[list[str]]:
        for name in self.under:
            items = document.get(name) if isinstance(document, dict) else None
            for item in items if isinstance(items, list) else []:
                found = list(self._within(item, _DEEPEST))
                if (
                    not found
                    and self.otherwise
                    and isinstance(item, dict)
                    and isinstance(item.get(self.otherwise), str)
                ):
                    found = [item[self.otherwise]]
                if found:
                    yield found

    def _within(self, node: Any, depth: int) -> Iterator[str]:
        if depth and isinstance(node, list):
            for one in node:
                yield from self._within(one, depth - 1)
        elif depth and isinstance(node, dict):
            for key, value in node.items():
                if key in self.keys and isinstance(value, str) and value.strip():
                    yield value.strip()
                else:
                    yield from self._within(value, depth - 1)


def _plain(text: str) -> str:
    """For comparing: without marks of formatting, and with the characters that were escaped."""
    return re.sub(r"[\s*_~`]+", " ", html.unescape(text)).strip()
