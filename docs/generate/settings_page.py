"""Writes ``docs/settings.md``: every setting, from the classes that read them. ``./run docs`` runs it."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator, BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

sys.path.insert(0, str(Path(__file__).parent))
from field_notes import about, note
from settings_examples import EXAMPLES

from loaner.settings import Settings

HEAD = """# Settings

Written by `./run docs` from the classes in `src/loaner/settings`. [Configuration](configuration.md) says where settings
come from, how secrets and paths are written, and what may travel unencrypted.

Each setting stands in the settings file under its table, or in the environment variable that is named below it. In a
variable, a list or a table is JSON. `NAME` is a name of your choice. A setting of a `[[list]]` has no variable of its
own: the whole list is one JSON value.
"""
_WORDS = {
    "_reference": "reference to a secret",
    "_key_reference": "reference to a key",
    "issuer": "URL",
    "origin": "URL",
    "private_base_url": "URL",
    "must_be_private": "URL",
    "_proxy": "URL",
    "bindable": "host",
    "_host_or_domain": "host or .domain",
    "authority": "host[:port]",
    "foreign_origin": "origin",
}
"""What a text is, by the function that checks it."""
_TYPES: dict[Any, str] = {str: "text", bool: "`true`, `false`", int: "number", float: "number", Path: "path"}
_DEFAULTS = {("home",): "the user's folder for state: `~/.local/state/loaner` on Linux"}
"""Where the default is worked out at the start."""


@dataclass(frozen=True)
class Setting:
    """One setting, where it stands."""

    path: tuple[str, ...]
    """Table and key; ``NAME`` for a name of the operator's choice, ``[]`` for a place in a list."""
    model: type[BaseModel]
    field: FieldInfo

    @property
    def name(self) -> str:
        return ".".join(part for part in self.path if part != "[]")

    @property
    def variable(self) -> str:
        """The variable that sets it; empty where only its whole list has one."""
        return "" if "[]" in self.path else "LOANER_" + "__".join(p if p == "NAME" else p.upper() for p in self.path)

    @property
    def meaning(self) -> str:
        return note(self.model, self.path[-1])

    @property
    def default(self) -> str:
        if self.path in _DEFAULTS:
            return _DEFAULTS[self.path]
        if self.field.is_required():
            return "required"
        default = self.field.get_default(call_default_factory=True)
        return "not set" if default in (None, {}, PydanticUndefined) else f"`{written(default)}`"


def written(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {written(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(written(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() else json.dumps(key)


def settings() -> Iterator[Setting]:
    """Every setting, in the order in which the classes have them."""
    found = list(_of(Settings, ()))
    tables = list(dict.fromkeys(one.path[:-1] for one in found))
    for table in sorted(tables, key=bool):  # those without a table first
        yield from (one for one in found if one.path[:-1] == table)


def _of(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[Setting]:
    for name, field in model.model_fields.items():
        below, inner = _table(field.annotation)
        if inner:
            yield from _of(inner, (*path, name, *below))
        else:
            yield Setting((*path, name), model, field)


def _table(kind: Any) -> tuple[tuple[str, ...], type[BaseModel] | None]:
    """The table that a setting is, and what stands between: ``NAME`` of a map, ``[]`` of a list."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return (), kind
    origin, inner = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return next((found for one in inner if (found := _table(one))[1]), ((), None))
    if origin in {dict, tuple} and inner:
        below, model = _table(inner[1] if origin is dict else inner[0])
        return (("NAME",) if origin is dict else ("[]",)) + below, model
    return (), None


def type_of(kind: Any, marks: tuple[Any, ...] = ()) -> str:
    """A type in words."""
    if get_origin(kind) is Annotated:
        kind, *more = get_args(kind)
        return type_of(kind, (*marks, *more))
    for mark in marks:
        if isinstance(mark, AfterValidator) and mark.func.__name__ in _WORDS and kind is str:
            return _WORDS[mark.func.__name__]
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return ", ".join(f"`{json.dumps(one)}`" for one in inner)
    if origin in {Union, types.UnionType}:
        return " or ".join(type_of(one, marks) for one in inner if one is not type(None))
    if origin in {tuple, dict}:
        return _many(inner)
    return _TYPES[kind] + _bounds(marks)


def _many(inner: tuple[Any, ...]) -> str:
    """A list, whose second part is ``...``, or a table of names to values."""
    if inner[1] is Ellipsis:
        return f"list of {type_of(inner[0]).replace('reference', 'references')}"
    return f"table of {type_of(inner[1])}"


def _bounds(marks: tuple[Any, ...]) -> str:
    least = next((f"from {mark.ge}" for mark in marks if isinstance(mark, Ge)), "")
    above = next((f"above {mark.gt}" for mark in marks if isinstance(mark, Gt)), "")
    most = next((f"to {mark.le}" for mark in marks if isinstance(mark, Le)), "")
    return ", " + " ".join(filter(None, (least or above, most))) if least or above or most else ""


def page() -> str:
    """The whole page."""
    parts, heading = [HEAD.rstrip()], None
    for one in settings():
        table = one.path[:-1]
        if table != heading:
            heading = table
            parts.append(_heading(one, table))
        type_words = type_of(one.field.annotation, tuple(one.field.metadata)).replace("|", "\\|")
        name = f"`{one.name}`" + (f"<br>`{one.variable}`" if one.variable else "")
        example = f"`{one.path[-1]} = {written(EXAMPLES[one.name])}`".replace("|", "\\|")
        parts.append(f"| {name} | {type_words} | {one.default} | {example} | {one.meaning} |")
    return "\n".join(parts) + "\n"


def _heading(one: Setting, table: tuple[str, ...]) -> str:
    if not table:
        title = "At the top"
    elif "[]" in table:
        title = f"`[[{'.'.join(part for part in table if part != '[]')}]]`"
    else:
        title = f"`[{'.'.join(table)}]`"
    said = f"{about(one.model)}\n\n" if table and about(one.model) else ""
    return f"\n## {title}\n\n{said}| setting | type | default | example | meaning |\n| --- | --- | --- | --- | --- |"


if __name__ == "__main__":
    print(page(), end="")
