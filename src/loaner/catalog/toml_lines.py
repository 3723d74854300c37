"""On which line of a TOML file a key stands, so that a refusal can point at it.

tomllib gives a line for a syntax error but none for a value. Tables and keys at the start of a line are enough to
know: what is inside an inline table is reported at the line of its key.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from loaner.errors import ConnectorInvalid

_KEY = r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'"""
_TABLE = re.compile(rf"\s*(\[\[?)\s*((?:{_KEY})(?:\s*\.\s*(?:{_KEY}))*)\s*\]")
_ASSIGNMENT = re.compile(rf"\s*((?:{_KEY})(?:\s*\.\s*(?:{_KEY}))*)\s*=")
_AT = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)")

Loc = tuple[str | int, ...]


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_KEY, dotted))


class Lines:
    """The lines of one file's keys; an unknown key is answered with the line of what surrounds it."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Loc, int] = {(): 1}
        repeated: dict[Loc, int] = {}
        table: Loc = ()
        for number, line in enumerate(text.splitlines(), start=1):
            if header := _TABLE.match(line):
                table = _parts(header[2])
                if header[1] == "[[":
                    repeated[table] = repeated.get(table, -1) + 1
                    table = (*table, repeated[table])
                self._lines.setdefault(table, number)
            elif assignment := _ASSIGNMENT.match(line):
                self._lines.setdefault((*table, *_parts(assignment[1])), number)

    def of(self, loc: Loc) -> int:
        while loc not in self._lines:
            loc = loc[:-1]
        return self._lines[loc]


def read(path: Path) -> tuple[dict[str, Any], Lines]:
    """Parse one file. Raises :class:`ConnectorInvalid` with the line of a syntax error."""
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text), Lines(text)
    except UnicodeDecodeError:
        raise ConnectorInvalid("is not UTF-8 text.", where=f"{path}:1") from None
    except tomllib.TOMLDecodeError as error:
        found = _AT.search(str(error))
        line = found[1] if found and found[1] else len(text.splitlines())
        raise ConnectorInvalid(f"{_AT.sub('', str(error))}.", where=f"{path}:{line or 1}") from None
