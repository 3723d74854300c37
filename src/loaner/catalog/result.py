"""What a tool gives back: the few fields an agent uses, without nulls, long texts cut.

A field that is missing in the provider's answer, or is not of the type promised, is left out, so that every result
fits the tool's output schema whatever the provider sends.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from loaner.catalog.described import Described

CUT = 4_000
WHOLE = 40_000
"""Characters kept of a text, by default and when all of it is asked for."""
BUDGET = 60_000
"""Characters of all texts of one answer together: hosts cut what is longer, and less carefully."""
MOST = 100
"""Items kept of a list."""

Kind = Literal["string", "integer", "number", "boolean", "text", "base64", "present"]
_JSON_TYPE = {"text": "string", "base64": "string", "present": "boolean"}
_PYTHON_TYPE: dict[Kind, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "text": str,
    "base64": str,
}
_MISSING = object()


def look(document: Any, path: str) -> Any:
    """What stands at a dotted path (``.`` is the whole, digits are places in a list); none if nothing does."""
    for part in path.split(".") if path != "." else ():
        if isinstance(document, dict):
            document = document.get(part)
        elif isinstance(document, list) and part.isdigit() and int(part) < len(document):
            document = document[int(part)]
        else:
            return None
    return document


class Kept(Described):
    """One field of the result. In a file, a bare string is its type."""

    at: str | None = None
    """Dotted path into the answer; the field's own name if not said."""
    type: Kind = "string"
    """``text`` is long and gets cut; ``base64`` is such a text, encoded; ``present`` asks whether anything is there."""
    cut: int = Field(default=CUT, ge=80, le=WHOLE)
    tail: bool = False
    """A text that is cut keeps its end, as one reads a log."""
    most: int = Field(default=MOST, ge=1, le=1000)
    each: Fields | Kind | None = None
    """Makes it a list: of such fields, or of scalars found at ``pick`` in each item."""
    pick: str = "."
    optional: bool = False
    """A list that some answers do not have."""


def _kept(given: Any) -> Any:
    return {"type": given} if isinstance(given, str) else given


Fields = dict[str, Annotated[Kept, BeforeValidator(_kept)]]
Kept.model_rebuild()


class Page(Described):
    """How the provider tells where the next page begins."""

    next: str
    """``link`` for a ``Link: rel="next"`` header over numbered pages, else a dotted path to the next mark."""
    more: str | None = None
    """Dotted path to a boolean that says whether there is a next page."""
    most: int = Field(default=50, ge=1, le=50)
    """Items that the provider gives at most in one page."""


class Result(Described):
    """The shape of a tool's answer."""

    keep: Fields = Field(default_factory=dict)
    say: dict[str, bool | str] = Field(default_factory=dict)
    """Constants, for answers that hold nothing worth keeping."""
    already: tuple[str, ...] = ()
    """The provider's error words which mean that things were already as wanted."""
    whole: str | None = None
    """An option parameter which, when it is ``full``, keeps up to 40,000 characters of a text."""
    from_character: str | None = None
    """A parameter saying at which character a ``base64`` text begins."""

    @model_validator(mode="after")
    def _says_something(self) -> Result:
        if not self.keep and not self.say:
            raise ValueError("a result needs keep or say")
        return self


class Shaper:
    """Shapes one answer and remembers whether anything was cut."""

    def __init__(self, *, whole: bool = False, start: int = 0) -> None:
        self._whole = whole
        self._start = start
        self._left = BUDGET
        self.truncated = False

    def fields(self, document: Any, keep: Fields) -> dict[str, Any]:
        shaped = {name: self._field(look(document, kept.at or name), kept) for name, kept in keep.items()}
        return {name: value for name, value in shaped.items() if value is not _MISSING}

    def _field(self, found: Any, kept: Kept) -> Any:
        if kept.each is None:
            return self._scalar(found, kept.type, kept)
        if not isinstance(found, list):
            return _MISSING if kept.optional else []
        self.truncated = self.truncated or len(found) > kept.most
        if isinstance(kept.each, dict):
            return [self.fields(item, kept.each) for item in found[: kept.most] if isinstance(item, dict)]
        scalars = [self._scalar(look(item, kept.pick), kept.each, kept) for item in found[: kept.most]]
        return [scalar for scalar in scalars if scalar is not _MISSING]

    def _scalar(self, found: Any, kind: Kind, kept: Kept) -> Any:
        if kind == "present":
            return found is not None
        # A boolean is an integer to Python and not to JSON.
        if not isinstance(found, _PYTHON_TYPE[kind]) or (isinstance(found, bool) and kind != "boolean"):
            return _MISSING
        if kind == "text":
            return self._cut(str(found), kept) if found else _MISSING
        return self._decoded(str(found), kept) if kind == "base64" else found

    def _cut(self, text: str, kept: Kept) -> str:
        longest = min(WHOLE if self._whole else kept.cut, self._left)
        if len(text) > longest:
            self.truncated = True
            text = text[len(text) - longest :] if kept.tail else text[:longest]
        self._left -= len(text)
        return text

    def _decoded(self, found: str, kept: Kept) -> Any:
        try:
            text = base64.b64decode(found).decode()
        except (binascii.Error, UnicodeDecodeError):
            return _MISSING
        return self._cut(text[self._start :], kept)


def schema_of(fields: Fields) -> dict[str, Any]:
    """The JSON schema of such fields."""
    required = [name for name, kept in fields.items() if kept.each is not None and not kept.optional]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: _schema(kept) for name, kept in fields.items()},
        "additionalProperties": False,
    }
    return schema | ({"required": required} if required else {})


def _schema(kept: Kept) -> dict[str, Any]:
    if kept.each is None:
        return {"type": _JSON_TYPE.get(kept.type, kept.type)}
    if isinstance(kept.each, str):
        return {"type": "array", "items": {"type": _JSON_TYPE.get(kept.each, kept.each)}}
    return {"type": "array", "items": schema_of(kept.each)}
