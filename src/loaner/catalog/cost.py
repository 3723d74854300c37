"""What a tool costs the context of the agent that sees it: in the list of tools, and by an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Protocol

from loaner.catalog.operation import Operation
from loaner.catalog.params import DEFAULT_LIMIT
from loaner.catalog.result import Fields, KeptField
from loaner.catalog.shape import BUDGET

BYTES_A_TOKEN: Final = 4
"""A usual estimate for JSON in English; no tokenizer is a dependency."""
_SHORT: Final = 60
"""Characters of a field that is no text, its name and quotes included."""
_INNER: Final = 5
"""Items of a list inside an item, such as labels."""


class Listed(Protocol):
    """A tool as it is listed: an operation, or one of loaner's own."""

    @property
    def tool(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def input_schema(self) -> Mapping[str, Any]: ...
    @property
    def output_schema(self) -> Mapping[str, Any]: ...
    @property
    def annotations(self) -> Mapping[str, Any]: ...


def listed(operation: Listed) -> int:
    """Tokens of its entry in the list of tools."""
    entry = {
        "name": operation.tool,
        "description": operation.description,
        "inputSchema": dict(operation.input_schema),
        "outputSchema": dict(operation.output_schema),
        "annotations": dict(operation.annotations),
    }
    return len(json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode()) // BYTES_A_TOKEN


def answered(operation: Operation) -> int:
    """About how many tokens an answer has at most, where no argument asks for more.

    Texts are cut, and share :data:`loaner.catalog.shape.BUDGET` characters whatever is asked for.
    """
    page = operation.page
    texts, rest = _amounts(operation.result.keep, min(DEFAULT_LIMIT, page.most) if page else None)
    return (min(texts, BUDGET) + rest + _SHORT * (1 + len(operation.result.say))) // BYTES_A_TOKEN


def _amounts(keep: Fields, limit: int | None) -> tuple[int, int]:
    """Characters of texts, and of everything else."""
    every = [_amount(kept, limit) for kept in keep.values()]
    return sum(texts for texts, _ in every), sum(rest for _, rest in every)


def _amount(kept: KeptField, limit: int | None) -> tuple[int, int]:
    if kept.each is None:
        return (kept.cut, _SHORT) if kept.type == "text" else (0, _SHORT)
    items = min(kept.most, limit or kept.most)
    if isinstance(kept.each, str):
        return (kept.cut * items, 0) if kept.each == "text" else (0, _SHORT * items)
    texts, rest = _amounts(kept.each, _INNER)
    return texts * items, rest * items
