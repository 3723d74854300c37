"""Where the next page of a list begins, as one opaque string.

A cursor is made for one tool and refused by any other. It holds the provider's own mark and is no authority: the
call that brings it back is checked like every other.
"""

from __future__ import annotations

import base64
import binascii
import json

_LONGEST = 2048


def encode(tool: str, mark: str | int) -> str:
    """An opaque cursor for the next page of ``tool``."""
    return base64.urlsafe_b64encode(json.dumps([tool, mark]).encode()).decode().rstrip("=")


def decode(tool: str, cursor: str) -> str | int:
    """The provider's mark. Raises :class:`ValueError` for anything that :func:`encode` did not make for ``tool``."""
    if len(cursor) > _LONGEST:
        raise ValueError("too long")
    try:
        held = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, UnicodeError, ValueError, RecursionError):
        raise ValueError("not a cursor") from None
    match held:
        case [str(made_for), str() | int() as mark] if made_for == tool and not isinstance(mark, bool):
            return mark
        case _:
            raise ValueError("made for another tool")
