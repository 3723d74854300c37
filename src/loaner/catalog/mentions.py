"""Whom texts notify: those of one call, or one text by itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from loaner.catalog.mention import Mention
from loaner.catalog.operation import BoundCall

NOTIFIES, NOBODY = "@notifies", "nobody"
"""What a task may fix of a call beside its arguments, none of which has a name like this."""
MOST_TOLD = 10
"""Words of one kind that are named; all are counted."""


class Mentioned(NamedTuple):
    """Of one way, what of it stands in a parameter's text, in the order in which it is there."""

    param: str
    mention: Mention
    found: tuple[str, ...]


def mentioned(bound: BoundCall) -> list[Mentioned]:
    """Every way in which a text of this call notifies somebody, by parameter."""
    texts = [
        (name, str(bound.written.get(name, bound.arguments[name])))
        for name, param in bound.operation.params.items()
        if param.role == "content" and name in bound.arguments
    ]
    return [
        Mentioned(name, one, found)
        for name, text in texts
        for one, found in notified(text, bound.operation.provider.mentions)
    ]


def notified(text: str, mentions: Iterable[Mention]) -> list[tuple[Mention, tuple[str, ...]]]:
    """Every way in which a text notifies somebody, and what of it does."""
    every = ((one, tuple(found[0] for found in re.finditer(one.pattern, text))) for one in mentions)
    return [(one, found) for one, found in every if found]


def told(text: str, mentions: Iterable[Mention]) -> list[tuple[str, tuple[str, ...], int]]:
    """The same as pages show it: who, the first few words that do it, and how many there are."""
    return [(one.who, found[:MOST_TOLD], len(found)) for one, found in notified(text, mentions)]


def parted(text: str, mentions: Iterable[Mention]) -> Iterator[tuple[str, bool]]:
    """The text in parts, each with whether it notifies somebody."""
    pattern = "|".join(f"(?:{one.pattern})" for one in mentions)
    at = 0
    for found in re.finditer(pattern, text) if pattern else ():
        yield text[at : found.start()], False
        yield found[0], True
        at = found.end()
    yield text[at:], False
