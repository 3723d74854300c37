"""Pages by cursor (docs.slack.dev/apis/web-api/pagination).

A cursor names the last thing already given, so that what is written meanwhile does not shift a page.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from loaner.sandbox.slack.errors import SlackError

T = TypeVar("T")

_MOST = 1000
_MARK = "last:"


def page(
    items: Sequence[T], key: Callable[[T], str], *, cursor: str, limit: int, most: int = _MOST
) -> tuple[list[T], str]:
    """One page, and the cursor of the next (empty at the end).

    Raises:
        SlackError: ``invalid_limit`` or ``invalid_cursor``.
    """
    if not 1 <= limit <= most:
        raise SlackError("invalid_limit")
    start = 0
    if cursor:
        last = _read(cursor)
        start = next((index for index, item in enumerate(items, 1) if key(item) == last), 0)
        if not start:
            raise SlackError("invalid_cursor")
    shown = list(items[start : start + limit])
    more = start + limit < len(items)
    return shown, _write(key(shown[-1])) if more else ""


def _write(last: str) -> str:
    return base64.b64encode((_MARK + last).encode()).decode()


def _read(cursor: str) -> str:
    try:
        text = base64.b64decode(cursor, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise SlackError("invalid_cursor") from error
    if not text.startswith(_MARK):
        raise SlackError("invalid_cursor")
    return text.removeprefix(_MARK)
