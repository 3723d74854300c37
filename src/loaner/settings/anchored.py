"""Every path in what one source says, made whole: found by the types of the settings, so that none can be forgotten."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from loaner.settings.paths import absolute

Loc = tuple[str, ...]


@dataclass(frozen=True)
class Anchor:
    """Marks a string with a path in it: ``make_whole(written, setting, base)``."""

    make_whole: Callable[[str, str, Path | None], str]


@dataclass(frozen=True)
class SettingsSource:
    """What one place says, before it is believed."""

    values: Mapping[str, Any]
    base: Path | None
    """What its relative paths are relative to; ``None`` where they are refused."""
    named: Callable[[Loc], str]
    """How a person finds the setting there."""

    def anchored(self, model: type[BaseModel]) -> dict[str, Any]:
        """The values with whole paths. Raises :class:`~loaner.errors.SettingsInvalid`."""
        return _of_model(self, model, self.values, ())


def _of_model(source: SettingsSource, model: type[BaseModel], values: Mapping[str, Any], loc: Loc) -> dict[str, Any]:
    fields = model.model_fields
    return {
        key: _of(source, fields[key].annotation, fields[key].metadata, value, (*loc, key)) if key in fields else value
        for key, value in values.items()
    }


def _of(source: SettingsSource, kind: Any, marks: list[Any], value: Any, loc: Loc) -> Any:
    if get_origin(kind) is Annotated:
        kind, *more = get_args(kind)
        marks = [*marks, *more]
    if get_origin(kind) in {Union, types.UnionType}:
        for one in get_args(kind):
            value = _of(source, one, marks, value, loc)
        return value
    return (
        _whole(source, kind, marks, value, loc) if isinstance(value, str | Path) else _within(source, kind, value, loc)
    )


def _whole(source: SettingsSource, kind: Any, marks: list[Any], value: str | Path, loc: Loc) -> Any:
    for mark in marks:
        if isinstance(mark, Anchor):
            return mark.make_whole(str(value), source.named(loc), source.base)
    return absolute(str(value), setting=source.named(loc), base=source.base) if kind is Path else value


def _within(source: SettingsSource, kind: Any, value: Any, loc: Loc) -> Any:
    inner = get_args(kind)
    if isinstance(value, Mapping) and isinstance(kind, type) and issubclass(kind, BaseModel):
        return _of_model(source, kind, value, loc)
    if isinstance(value, Mapping) and get_origin(kind) is dict:
        return {key: _of(source, inner[1], [], one, (*loc, str(key))) for key, one in value.items()}
    if isinstance(value, list | tuple) and get_origin(kind) is tuple:
        return [_of(source, inner[0], [], one, (*loc, str(at))) for at, one in enumerate(value)]
    return value
