"""Relay connections (linear.app/developers/pagination): 50 at a time unless asked otherwise, newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loaner.sandbox.linear.derived import snake
from loaner.sandbox.linear.errors import invalid_input, not_emulated
from loaner.sandbox.linear.state import Entity

DEFAULT = 50
MOST = 250


def connection(items: Sequence[Entity], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """One page of already filtered items.

    Raises:
        GraphQLError: for a page size out of bounds or a cursor that names nothing here.
    """
    if arguments.get("sort"):
        raise not_emulated("the internal argument sort")
    shown = items if arguments.get("includeArchived") else [each for each in items if each.archived_at is None]
    # Reversed as a whole, so that of two of the same instant the later made comes first.
    key = snake(arguments.get("orderBy") or "createdAt")
    ordered = sorted(shown, key=lambda each: getattr(each, key))[::-1]
    start, end = _after(ordered, arguments.get("after")), _before(ordered, arguments.get("before"))
    size, backward = _size(arguments)
    low, high = (max(start, end - size), end) if backward else (start, min(end, start + size))
    page = ordered[low:high]
    return {
        "nodes": page,
        "edges": [{"cursor": each.id, "node": each} for each in page],
        "pageInfo": {
            "hasNextPage": high < len(ordered),
            "hasPreviousPage": low > 0,
            "startCursor": page[0].id if page else None,
            "endCursor": page[-1].id if page else None,
        },
        "totalCount": len(ordered),
    }


def _size(arguments: Mapping[str, Any]) -> tuple[int, bool]:
    first, last = arguments.get("first"), arguments.get("last")
    if first is not None and last is not None:
        raise invalid_input("Provide either first or last, not both.")
    size = first if first is not None else last if last is not None else DEFAULT
    if not 1 <= size <= MOST:
        raise invalid_input(f"A page holds between 1 and {MOST} items.")
    return size, last is not None


def _after(items: Sequence[Entity], cursor: str | None) -> int:
    return 0 if cursor is None else _position(items, cursor) + 1


def _before(items: Sequence[Entity], cursor: str | None) -> int:
    return len(items) if cursor is None else _position(items, cursor)


def _position(items: Sequence[Entity], cursor: str) -> int:
    for at, each in enumerate(items):
        if each.id == cursor:
            return at
    raise invalid_input("The cursor is not one of this list.")
