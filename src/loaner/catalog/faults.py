"""Everything that is wrong in one file, each with its line and its cure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from loaner.catalog.schema_file import SchemaFile
from loaner.catalog.toml_lines import Lines, Loc
from loaner.errors import ConnectorInvalid, Fault

BLANK = "<fill in"
"""How a value begins that a starter file leaves to its author."""
Model = TypeVar("Model", bound=BaseModel)


def refused(faults: Sequence[Fault]) -> ConnectorInvalid:
    """One refusal that tells them all, a repeated one once."""
    first, *rest = dict.fromkeys(faults)
    return ConnectorInvalid(first.cause, where=first.where, do=first.do, more=rest)


@contextmanager
def collected(faults: list[Fault]) -> Iterator[None]:
    """Go on after a refusal, and keep what it says."""
    try:
        yield
    except ConnectorInvalid as failure:
        faults.extend(failure.faults)


class File:
    """One file while it is checked: what is wrong in it, so far."""

    def __init__(self, path: Path, data: Mapping[str, Any], lines: Lines, schema: SchemaFile) -> None:
        self.path = path
        self.data = dict(data)
        self.lines = lines
        self.schema = schema
        self.faults: list[Fault] = []
        self._wrong: list[Loc] = []
        for loc in _blanks(self.data, ()):
            self.add(loc, f"{_dotted(loc)} is not filled in.", schema.meaning(loc))

    def add(self, loc: Loc, cause: str, do: str = "") -> None:
        self.faults.append(Fault(f"{self.path}:{self.lines.of(loc)}", cause, do))
        self._wrong.append(loc)

    def read(self, model: type[Model]) -> Model | None:
        """The file as a value. Where something in it is wrong that stands alone, what is left without it, so that the
        rest can be checked too; ``None`` where too much is."""
        try:
            return model.model_validate(self.data)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
            for one in [one for one in found if self.concerns(tuple(one["loc"]))]:
                self._add_invalid(one["type"], one["msg"], tuple(one["loc"]))
        try:
            return model.model_validate(self.schema.mended(self.data, self._wrong))
        except ValidationError:
            return None

    def concerns(self, loc: Loc) -> bool:
        """Is a further problem there one of its own, and no consequence of what is known to be wrong?"""
        return not any(loc[: len(wrong)] == wrong or wrong[: len(loc)] == loc for wrong in self._wrong)

    def must_be_good(self) -> None:
        """Raises :class:`ConnectorInvalid` with all that was found."""
        if self.faults:
            raise refused(self.faults)

    def _add_invalid(self, kind: str, message: str, loc: Loc) -> None:
        dotted = _dotted(loc)
        meaning = self.schema.meaning(loc)
        if kind == "missing":
            self.add(loc, f"{dotted} is missing.", meaning)
        elif kind == "extra_forbidden":
            known = self.schema.keys(loc[:-1])
            close = difflib.get_close_matches(str(loc[-1]), known, n=1)
            told = f"Known here: {', '.join(known)}." if known and not close else ""
            self.add(loc, f"unknown key {dotted!r}" + (f", did you mean {close[0]!r}?" if close else "."), told)
        else:
            self.add(loc, f"{dotted}: {message.removeprefix('Value error, ')}.", meaning)


def _dotted(loc: Loc) -> str:
    return ".".join(str(part) for part in loc)


def _blanks(value: Any, loc: Loc) -> Iterator[Loc]:
    if isinstance(value, str) and BLANK in value:
        yield loc
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in parts:
        yield from _blanks(one, (*loc, key))
