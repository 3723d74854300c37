"""URL paths from templates: an argument becomes exactly the segment it was meant for, and never leaves it.

``/repos/{owner}/contents/{path*}``: ``{owner}`` is one percent-encoded segment, ``{path*}`` one or more. Two may share
a segment with three dots between them, as Git writes a range: ``{base}...{head}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

from loaner.errors import InvalidArguments

ROOT = "/"
"""The path of a repository's root directory, as calls name it."""
_WHOLE = re.compile(r"\{([A-Za-z_]+)(\*?)\}")
_DOTS = "..."
_RANGE = re.compile(r"\{([A-Za-z_]+)\}\.\.\.\{([A-Za-z_]+)\}")


def placeholders(template: str) -> dict[str, bool]:
    """The parameters of a template and whether each takes several segments.

    Raises :class:`ValueError` for a placeholder that is not a whole segment: the rest of a segment cannot be checked.
    """
    found = {}
    for segment in template.split("/"):
        whole = _WHOLE.fullmatch(segment)
        if whole:
            found[whole[1]] = bool(whole[2])
        elif both := _RANGE.fullmatch(segment):
            found |= dict.fromkeys(both.groups(), False)
        elif "{" in segment or "}" in segment:
            raise ValueError(f"{segment!r} is not a whole placeholder")
    return found


def fill(template: str, values: Mapping[str, str]) -> str:
    """The path, checked segment by segment against its template.

    Raises :class:`InvalidArguments` when a value cannot be one segment (or a list of them).
    """
    built: list[str] = []
    meant: list[str] = []
    for segment in template.split("/"):
        placeholder = _WHOLE.fullmatch(segment)
        if both := _RANGE.fullmatch(segment):
            ends = [_end(name, values[name]) for name in both.groups()]
            built.append(_DOTS.join(quote(end, safe="") for end in ends))
            meant.append(_DOTS.join(ends))
            continue
        if not placeholder:
            built.append(segment)
            meant.append(segment)
            continue
        value = values[placeholder[1]]
        if placeholder[2] and value == ROOT:
            built.append("")
            meant.append("")
            continue
        parts = value.split("/") if placeholder[2] else [value]
        # Dots survive percent-encoding, and every HTTP client resolves them: "/repos/../user" would be "/user".
        if any(part in {"", ".", ".."} for part in parts):
            raise InvalidArguments(f"{placeholder[1]} must not be empty or hold “.” or “..” segments.")
        built += [quote(part, safe="") for part in parts]
        meant += parts
    path = "/".join(built)
    if [unquote(segment) for segment in path.split("/")] != meant:
        raise InvalidArguments("an argument does not fit into the path it is for.")
    return path


def _end(name: str, value: str) -> str:
    """One end of a range. Dots of its own could move the place where the other one begins."""
    if not value or ".." in value or value.strip(".") != value:
        raise InvalidArguments(f"{name} must not be empty, hold “..”, or begin or end with a dot.")
    return value
