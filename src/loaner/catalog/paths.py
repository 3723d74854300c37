"""URL paths from templates: an argument becomes exactly the segment it was meant for, and never leaves it.

``/repos/{owner}/contents/{path*}``: ``{owner}`` is one percent-encoded segment, ``{path*}`` one or more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

from loaner.errors import InvalidArguments

ROOT = "/"
"""The path of a repository's root directory, as calls name it."""
_WHOLE = re.compile(r"\{([A-Za-z_]+)(\*?)\}")


def placeholders(template: str) -> dict[str, bool]:
    """The parameters of a template and whether each takes several segments.

    Raises :class:`ValueError` for a placeholder that is not a whole segment: the rest of a segment cannot be checked.
    """
    found = {}
    for segment in template.split("/"):
        whole = _WHOLE.fullmatch(segment)
        if whole:
            found[whole[1]] = bool(whole[2])
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
