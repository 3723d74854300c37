"""What is wrong with a setting, in words: which one, and the cure. Never with a value that may be a secret."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from loaner.errors import SettingsInvalid
from loaner.settings.model import Settings
from loaner.settings.renamed import RENAMED

_PREFIX = "LOANER_"
_READ_ELSEWHERE = ("CONFIG",)
"""Variables of ours that are no setting."""


def problem_told(problem: Any) -> str:
    """One of pydantic's problems."""
    loc = problem["loc"]
    where = ".".join(str(part) for part in loc)
    match problem["type"]:
        case "extra_forbidden":
            return f"unknown setting {where!r}{_did_you_mean(str(loc[-1]), _fields_at(loc[:-1]))}"
        case "missing":
            return f"{where} is missing"
        case "tuple_type":
            return f"{where} must be a list{_as_list(loc, problem.get('input'))}"
    return f"{where}: {problem['msg'].removeprefix('Value error, ')}"


def refuse_unknown_variables() -> None:
    """A misspelt ``LOANER_`` variable would otherwise be ignored. Raises :class:`SettingsInvalid`."""
    known = [*(f"{_PREFIX}{name.upper()}" for name in (*Settings.model_fields, *_READ_ELSEWHERE, *RENAMED))]
    for variable in os.environ:
        if variable.upper().startswith(_PREFIX) and variable.upper().split("__")[0] not in known:
            raise SettingsInvalid(f"unknown variable {variable}{_did_you_mean(variable, _all_variables(known))}")


def _all_variables(known: Sequence[str]) -> list[str]:
    inner = [
        f"{_PREFIX}{name.upper()}__{part.upper()}" for name in Settings.model_fields for part in _fields_at((name,))
    ]
    return [*inner, *known]


def _fields_at(loc: Sequence[Any]) -> list[str]:
    model: type[BaseModel] | None = Settings
    for part in loc:
        field = model.model_fields.get(part) if model else None
        if field is not None:
            model = _model_in(field.annotation)
    return list(model.model_fields) if model else []


def _model_in(kind: Any) -> type[BaseModel] | None:
    """The table within ``Table``, ``Table | None``, ``dict[str, Table]`` or ``tuple[Table, ...]``."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    return next((found for one in get_args(kind) if (found := _model_in(one))), None)


def _as_list(loc: Sequence[Any], written: Any) -> str:
    """What was written, as the list that was meant: only where it is plain text, which no secret is."""
    *above, last = loc
    model: type[BaseModel] | None = Settings
    for part in above:
        field = model.model_fields.get(part) if model else None
        model = _model_in(field.annotation) if field is not None else model
    field = model.model_fields.get(last) if model else None
    plain = field is not None and get_origin(field.annotation) is tuple and get_args(field.annotation)[0] is str
    short = isinstance(written, str) and len(written) < 64 and written.isprintable()  # noqa: PLR2004
    return f': write ["{written}"]' if plain and short else ', such as ["…", "…"]'


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f" (did you mean {close[0]!r}?)"
    return f" (known: {', '.join(known)})" if known else ""
