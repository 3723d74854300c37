"""What a tool takes: every parameter with a role, a type and bounds.

Roles: ``resource`` names what the call is about and must appear in the scope, ``selector`` picks something inside
it, ``content`` is what gets written, ``option`` tunes the call, ``page`` walks a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal
from urllib.parse import unquote

from pydantic import Field, model_validator

from loaner.catalog import links
from loaner.catalog.base import Definition
from loaner.catalog.form import Form
from loaner.catalog.links import Refuses
from loaner.catalog.paths import ROOT
from loaner.catalog.result import MAX_START
from loaner.catalog.rule import Test
from loaner.characters import hides

_LINE = re.compile(r"(.+):([1-9][0-9]{0,8})")
_LONGEST_PATH = 1_024

Role = Literal["resource", "selector", "content", "option", "page"]

MAX_LIMIT = 50
DEFAULT_LIMIT = 10
_LONG = 65_536
_SHORT = 256
_SHOWN = 24
"""Longest refused value that is repeated in an error; a token or key is longer."""
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}")
"""A name in a map stands on the page beside its value, so it must not be able to say anything."""
_QUOTES = re.compile("[“”]")
_NAMES = {
    "plain": "of letters, digits, “_” and “-” only",
    "path": "that are relative paths of files, such as src/app.py, without “.” or “..” segments or quotes",
    "path_line": "that are relative paths of files, each with a colon and the number of a line, such as src/app.py:12",
}
_UNWRITABLE = re.compile(r"[\x00\ud800-\udfff]")


class Where(Test):
    """What is asked of a text besides, where another argument is as this tests it."""

    max_length: int | None = None
    """Characters, at most."""
    refuses: Refuses | None = None
    """What the text may not hold."""

    def problem(self, value: Any, arguments: Mapping[str, Any]) -> str | None:
        """To be read after the parameter's name."""
        if not self.holds(arguments) or not isinstance(value, str):
            return None
        if self.max_length and len(value) > self.max_length:
            return f"must have at most {self.max_length} characters where {self.told()} (got {len(value)})"
        fetched = links.problem(self.refuses, value)
        return f"{fetched} (where {self.told()})" if fetched else None


class Param(Definition):
    """One parameter of one tool."""

    about: str = Field(min_length=3)
    """What it is, for the model that fills it."""
    role: Role
    """``resource``: what the call is about. ``selector``: picks something inside it. ``content``: what is written.
    ``option``: tunes the call. ``page``: walks a list."""
    type: Literal["string", "integer", "boolean", "list", "map"] = "string"
    """A ``map`` is of names to texts, and flat."""
    names: Literal["plain", "path", "path_line"] = "plain"
    """What the names of a map are: letters and digits, paths of files, or such a path, a colon and a line's number."""
    required: bool = True
    """Whether a call needs it."""
    default: str | int | bool | tuple[str, ...] | None = None
    """What is sent where it is not given."""
    choices: tuple[str, ...] = ()
    """The only values that it takes."""
    form: str | None = None
    """Name of one of the provider's ``forms``; a list's items are checked."""
    segments: bool = False
    """A file path: several segments, each checked."""
    lookup: str | None = None
    """Name of one of the provider's ``lookups``, for values that have to be resolved to an id first."""
    refuses: Refuses | None = None
    """What a text may not hold, where its provider would fetch it to show a preview."""
    check: str | None = None
    """Name of a lookup, where the provider takes the name itself: it tells whether an approval's name still means the
    same thing, with a grant that may ask."""
    min: int | None = None
    """Of an integer."""
    max: int | None = None
    """Of an integer."""
    min_length: int = 1
    """Characters, at least."""
    max_length: int | None = None
    """Characters, at most: 65,536 of content and 256 of anything else if not said."""
    where: Where | None = None
    """Narrower limits where another argument is as tested."""
    max_items: int = 20
    """Of a list."""
    clear: bool | Literal["null"] = False
    """Given empty (``""``, ``[]`` or null), it takes away what is there; ``"null"`` where its provider takes null
    for that and an empty text for a name. Of any other that may be left out, empty is as if it were: a model that has
    to fill every argument gives that."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Param:
        if self.default is not None and not self.required:
            raise ValueError("a parameter with a default needs no required = false")
        if self.type == "map" and (self.role != "content" or self.clear):
            raise ValueError("a map is content, and cannot be cleared")
        if self.names != "plain" and self.type != "map":
            raise ValueError("names are those of a map")
        if (self.choices or self.form or self.segments) and self.type not in {"string", "list"}:
            raise ValueError("choices, form and segments are for strings")
        if self.type == "integer" and (self.min is None or self.max is None):
            raise ValueError("an integer needs min and max")
        if self.clear and (self.type == "boolean" or self.default is not None or self.role in {"resource", "page"}):
            raise ValueError("clear is for what a write may leave as it is")
        return self

    @property
    def must_be_given(self) -> bool:
        return self.required and self.default is None

    @property
    def cleared(self) -> Any:
        """What an argument is that takes away what is there."""
        return () if self.type == "list" else ""

    def meant(self, value: Any) -> Any:
        """An argument as it was given, empty as what that means; ``None`` where it means that it is left out."""
        if self.default == ROOT and isinstance(value, str):  # a directory may be written with a slash after it
            value = ROOT if value in (ROOT, ".") else value.removesuffix("/")
        if value is None or (self.clear and value == ""):
            return self.cleared if self.clear else None
        left_out = not self.must_be_given and not self.clear and self.min_length and value in ("", [], (), {})
        return None if left_out else value

    @property
    def longest(self) -> int:
        """Characters."""
        return self.max_length or (_LONG if self.role == "content" else _SHORT)

    def problem(self, value: Any, forms: dict[str, Form]) -> str | None:
        """What is wrong with ``value``, to be read after the parameter's name; none if nothing is."""
        if self.clear and value in (self.cleared, []):
            return None
        match self.type:
            case "boolean":
                return None if isinstance(value, bool) else "must be true or false"
            case "integer":
                return self._integer_problem(value)
            case "string":
                return next(self._string_problems(value, forms), None)
            case "list":
                return self._list_problem(value, forms)
            case "map":
                return self._map_problem(value, forms)

    def canonical(self, value: Any, forms: Mapping[str, Form]) -> Any:
        """A checked value with each name in its one spelling, and a list of names in one order."""
        form = forms[self.form] if self.form else None
        if isinstance(value, Mapping):
            return dict(value)
        if isinstance(value, list | tuple):
            return tuple(sorted({form.canonical(item) for item in value}) if form else value)
        return form.canonical(value) if form else value

    def agreed(self, value: Any, forms: Mapping[str, Form]) -> Any:
        """A checked value as a task compares it: folded only where the provider itself reads it so."""
        if self.role == "content" and self.form and forms[self.form].creates:
            return tuple(sorted(set(value))) if isinstance(value, list | tuple) else value
        return self.canonical(value, forms)

    def _integer_problem(self, value: Any) -> str | None:
        if not isinstance(value, int) or isinstance(value, bool):
            return "must be a whole number"
        if not (self.min or 0) <= value <= (self.max or 0):
            return f"must be {self.min}–{self.max} (got {str(value)[:_SHOWN]})"
        return None

    def _list_problem(self, value: Any, forms: dict[str, Form]) -> str | None:
        if not isinstance(value, list | tuple):
            return "must be a list of strings"
        if not 1 <= len(value) <= self.max_items:
            return f"must have 1–{self.max_items} items (got {len(value)})"
        problems = (problem for item in value for problem in self._string_problems(item, forms))
        return next((f"holds an item that {problem}" for problem in problems), None)

    def _map_problem(self, value: Any, forms: dict[str, Form]) -> str | None:
        if not isinstance(value, Mapping):
            return "must be an object of names and texts"
        if not 1 <= len(value) <= self.max_items:
            return f"must have 1–{self.max_items} entries (got {len(value)})"
        if not all(isinstance(name, str) and self._is_name(name) for name in value):
            return f"must have names {_NAMES[self.names]}"
        problems = (f"{name} {problem}" for name, one in value.items() for problem in self._string_problems(one, forms))
        return next((f"holds an entry: {problem}" for problem in problems), None)

    def _is_name(self, name: str) -> bool:
        match self.names:
            case "plain":
                return _KEY.fullmatch(name) is not None
            case "path":
                return len(name) <= _LONGEST_PATH and is_file_path(name) and not _QUOTES.search(name)
            case "path_line":
                found = _LINE.fullmatch(name)
                return (
                    found is not None
                    and len(name) <= _LONGEST_PATH
                    and is_file_path(found[1])
                    and not _QUOTES.search(name)
                )

    def entry(self, key: str) -> str:
        """A name of a map as it stands on a page: one with spaces in quotes, so that it passes for no other label."""
        return f"“{key}”" if re.search(r"\s", key) else key

    def _string_problems(self, value: Any, forms: dict[str, Form]) -> Iterator[str]:
        """The first is the one to tell: later checks take for granted what earlier ones made sure of."""
        if not isinstance(value, str):
            yield "must be a string"
            return
        if not self.min_length <= len(value) <= self.longest:
            yield f"must have {self.min_length}–{self.longest} characters (got {len(value)})"
        if _UNWRITABLE.search(value):
            yield "must not hold control characters"
        if self.role != "content" and (hidden := hides(value)):  # a name that is shown must read as it is
            yield f"must not hold control characters, line breaks or other characters that show nothing ({hidden})"
        if fetched := links.problem(self.refuses, value):
            yield fetched
        if self.choices and value not in self.choices:
            yield f"must be one of {', '.join(self.choices)}{self._shown(value)}"
        if self.form and not forms[self.form].takes(value):
            yield f"must be {forms[self.form].means}{self._shown(value)}"
        if self.segments and not is_file_path(value) and not (value == self.default == ROOT):
            yield "must be a relative path without empty, “.” or “..” segments, backslashes or any of these encoded"

    def _shown(self, value: str) -> str:
        return f" (got “{value}”)" if self.role != "content" and len(value) <= _SHOWN else ""


def is_file_path(path: str) -> bool:
    """Is this a relative path whose every segment can become one segment of a URL? A percent sign is a letter like any
    other, unless somebody who decodes once more would read a separator or a dot."""
    read = path
    while (again := unquote(read)) != read:
        read = again
    same = all(path.count(sign) == read.count(sign) for sign in "/.")
    return same and "\\" not in read and not hides(read) and {"", ".", ".."}.isdisjoint(path.split("/"))


FROM_CHARACTER = Param(
    about="The continue_from of an answer that cut texts.",
    role="page",
    type="integer",
    min=0,
    max=MAX_START,
    default=0,
)
LIMIT = Param(about="How many at most.", role="page", type="integer", min=1, max=MAX_LIMIT, default=DEFAULT_LIMIT)
CURSOR = Param(
    about="The next_cursor of an earlier answer.",
    role="page",
    required=False,
    max_length=2048,
)
