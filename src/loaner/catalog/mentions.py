"""Whom the texts of one call notify."""

from __future__ import annotations

import re
from typing import NamedTuple

from loaner.catalog.mention import Mention
from loaner.catalog.operation import BoundCall


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
    every = (
        Mentioned(name, one, tuple(found[0] for found in re.finditer(one.pattern, text)))
        for name, text in texts
        for one in bound.operation.provider.mentions
    )
    return [one for one in every if one.found]
