"""What a tool gives back: the few fields an agent uses, without nulls, long texts cut.

A field that is missing in the provider's answer, or is not of the type promised, is left out, so that every result
fits the tool's output schema whatever the provider sends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from loaner.catalog.base import Definition
from loaner.catalog.file_text import FileText
from loaner.catalog.pieces import Pieces

CUT = 4_000
WHOLE = 40_000
"""Characters kept of a text, by default and when all of it is asked for."""
MOST = 100
"""Items kept of a list."""
MAX_START = 10_000_000

Admits = Callable[[str, str, tuple[str, ...]], bool]
"""May the caller see what is of this resource? Its name as the provider spells it, with the kind, its id, and what the
provider says that it is a part of."""
Kind = Literal["string", "integer", "number", "boolean", "text", "present"]
_JSON_TYPE = {"text": "string", "present": "boolean"}


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


class Of(Definition):
    """Where an item says which resource it is of, or is: ``repository`` at ``repository_url``."""

    kind: str
    """Kind of the resource, such as ``repository``."""
    at: str
    """Dotted path in each item; ``*`` in it stands for every place of a list."""
    segments: int | None = None
    """How many segments at the end of a URL are the name."""
    prefix: str = ""
    """Before the name, where the provider leaves it out: ``#``."""
    id: str | None = None
    """Dotted path to the provider's own id of it; its name as well, where it has no other."""
    around: dict[str, str] = Field(default_factory=dict)
    """By kind, where the item says what that resource is a part of: a path to each name, such as that of a project."""
    otherwise: str | None = None
    """What an item is of that names none: ``workspace``, for a label of no team."""

    def named(self, item: Any) -> list[tuple[str, str]]:
        """Each resource that an item says it is of, and its id; empty where it says none."""
        names = [self._name(found) for found in looks(item, self.at) if isinstance(found, str) and found]
        found = look(item, self.id) if self.id else ""
        known = str(found) if isinstance(found, str | int) else ""
        if not names and not known and self.otherwise:
            return [(self.otherwise, "")]
        return [(f"{self.kind}:{name}", known) for name in names or ([known] if known else [])]

    def parts_of(self, item: Any) -> tuple[str, ...]:
        """What such a resource is a part of, as far as the item says."""
        found = ((kind, name) for kind, at in self.around.items() for name in looks(item, at))
        return tuple(f"{kind}:{name}" for kind, name in found if isinstance(name, str) and name)

    def _name(self, found: str) -> str:
        text = "/".join(found.split("/")[-self.segments :]) if self.segments else found
        return f"{self.prefix}{text}"


class Holding(Definition):
    """Which items of a list are wanted, where the provider cannot be told: those with an argument's text in them."""

    param: str
    """The parameter with the text."""
    at: tuple[str, ...] = Field(min_length=1)
    """Dotted paths in each item; in one of these the text is, whatever its case."""

    def keeps(self, item: Any, arguments: Mapping[str, Any]) -> bool:
        wanted = arguments.get(self.param)
        texts = (look(item, path) for path in self.at)
        return wanted is None or any(isinstance(one, str) and str(wanted).casefold() in one.casefold() for one in texts)


class KeptField(Definition):
    """One field of the result. In a file, a bare string is its type."""

    at: str | None = None
    """Dotted path into the answer; the field's own name if not said."""
    or_at: tuple[str, ...] = ()
    """Other such paths, in this order, where there is nothing or an empty string."""
    pieces: Pieces | None = None
    """Of a text: where it stands in pieces, if it has none of its own."""
    rest_of: str | None = None
    """Of a text: the field with ``pieces`` whose other pieces it holds."""
    file: FileText | None = None
    """Of a text: it is the encoded content of a file. Beside it may stand ``binary``, and ``<name>_left_out``."""
    type: Kind = "string"
    """``text`` is long and gets cut; ``present`` asks whether anything is there."""
    cut: int = Field(default=CUT, ge=80, le=WHOLE)
    """Characters kept of a text, unless all of it is asked for."""
    tail: bool = False
    """A text that is cut keeps its end, as one reads a log."""
    most: int = Field(default=MOST, ge=1, le=1000)
    """Items kept of a list."""
    each: Fields | Kind | None = None
    """Makes it a list: of such fields, or of scalars found at ``pick`` in each item."""
    pick: str = "."
    """Of a list of scalars: where each is in its item."""
    optional: bool = False
    """A list that some answers do not have."""
    of: tuple[Of, ...] = ()
    """What each item is of, or what a single value is about. Left out, however a search was worded: what is not of the
    repository that the call's credential was narrowed to, and what the rules forbid this caller."""
    holding: Holding | None = None
    """Of a list: only such items, if the call asks for that."""
    counts: str | None = None
    """The field whose items it counts: what was left out is not counted."""


def looks(document: Any, path: str) -> list[Any]:
    """All that stands at a dotted path with ``*``."""
    first, star, rest = path.partition("*.")
    if not star:
        return [look(document, path)]
    found = look(document, first.removesuffix("."))
    return [one for item in (found if isinstance(found, list) else []) for one in looks(item, rest)]


def _kept(given: Any) -> Any:
    return {"type": given} if isinstance(given, str) else given


Fields = dict[str, Annotated[KeptField, BeforeValidator(_kept, json_schema_input_type=Kind | KeptField)]]
KeptField.model_rebuild()


class ResultPage(Definition):
    """How the provider tells where the next page begins."""

    next: str
    """``link`` for a ``Link: rel="next"`` header over numbered pages, else a dotted path to the next mark."""
    more: str | None = None
    """Dotted path to a boolean that says whether there is a next page."""
    last: str | None = None
    """Dotted path to the number of the last page, where pages are numbered: ``next`` then leads to that of this one."""
    most: int = Field(default=50, ge=1, le=50)
    """Items that the provider gives at most in one page."""


class Result(Definition):
    """The shape of a tool's answer."""

    keep: Fields = Field(default_factory=dict)
    """The fields of the answer, by the name that they get."""
    say: dict[str, bool | str] = Field(default_factory=dict)
    """Constants, for answers that hold nothing worth keeping."""
    nothing: dict[str, str] = Field(default_factory=dict)
    """Reasons for which a read is refused although there only is nothing yet, and how that is said."""
    already: tuple[str, ...] = ()
    """The provider's error words which mean that things were already as wanted."""
    reached: str | None = None
    """Dotted path in the answer to the id of the resource that the call reached, where it was called by a name."""
    unnamed: bool = False
    """Nothing in it is of a resource that a rule could name: people, or the account itself."""
    whole: str | None = None
    """An option parameter which, when it is ``full``, keeps up to 40,000 characters of a text."""

    @property
    def tells_of(self) -> bool:
        """Can each item be ruled on by itself?"""
        lists = [kept for kept in self.keep.values() if kept.each is not None]
        return self.unnamed or (bool(lists) and all(kept.of for kept in lists))

    @property
    def asks(self) -> frozenset[str]:
        """The parameters that choose among the items of its lists."""
        return frozenset(kept.holding.param for kept in self.keep.values() if kept.holding)

    @property
    def cuts(self) -> bool:
        """Does it hold texts that can be cut? Then the tool takes ``from_character``, to read on."""
        return cuts(self.keep)

    @model_validator(mode="after")
    def _counts_what_is_there(self) -> Result:
        for kept in self.keep.values():
            if kept.counts and kept.counts not in self.keep:
                raise ValueError(f"counts names no field: {kept.counts!r}")
        return self

    @field_validator("keep")
    @classmethod
    def _rests_of_what_has_pieces(cls, keep: Fields) -> Fields:
        waiting = [keep]
        while waiting:
            fields = waiting.pop()
            waiting += [kept.each for kept in fields.values() if isinstance(kept.each, dict)]
            for kept in fields.values():
                if kept.rest_of and not (kept.rest_of in fields and fields[kept.rest_of].pieces):
                    raise ValueError(f"rest_of names no field with pieces: {kept.rest_of!r}")
        return keep

    @model_validator(mode="after")
    def _says_something(self) -> Result:
        if not self.keep and not self.say:
            raise ValueError("a result needs keep or say")
        return self


def cuts(keep: Fields) -> bool:
    return any(
        cuts(kept.each) if isinstance(kept.each, dict) else "text" in {kept.type, kept.each} for kept in keep.values()
    )


def schema_of(fields: Fields) -> dict[str, Any]:
    """The JSON schema of such fields."""
    required = [name for name, kept in fields.items() if kept.each is not None and not kept.optional]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: _schema(kept) for name, kept in fields.items()} | _beside_files(fields),
        "additionalProperties": False,
    }
    return schema | ({"required": required} if required else {})


def _beside_files(fields: Fields) -> dict[str, Any]:
    files = [name for name, kept in fields.items() if kept.file]
    left_out = {f"{name}_left_out": {"type": "string"} for name in files}
    return left_out | ({"binary": {"type": "boolean"}} if files else {})


def _schema(kept: KeptField) -> dict[str, Any]:
    if kept.each is None:
        return {"type": _JSON_TYPE.get(kept.type, kept.type)}
    if isinstance(kept.each, str):
        return {"type": "array", "items": {"type": _JSON_TYPE.get(kept.each, kept.each)}}
    return {"type": "array", "items": schema_of(kept.each)}
