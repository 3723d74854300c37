"""The JSON Schema of a definition file, as editors complete from it: what a key means, and which keys there are."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from loaner.catalog.toml_lines import Loc

PROVIDER = "provider.schema.json"
OPERATION = "operation.schema.json"
_STAND_IN: dict[Loc, Any] = {
    ("summary",): "X.",
    ("effect",): "read",
    ("idempotent",): True,
    ("source",): "https://example.com",
    ("toolset",): "x",
    ("phrase",): "x",
    ("scope",): {"permissions": "none", "resource": "x"},
    ("result",): {"say": {"done": True}},
}
"""What an operation is read with, to check the rest of it, where one of these is missing or wrong."""
_PARAM = {"about": "XXX", "role": "selector"}


class SchemaFile:
    """One schema. Nothing is known where the file is missing: then only the cure is."""

    def __init__(self, folder: Path, name: str) -> None:
        self._schema = _read(folder / name)

    def meaning(self, loc: Loc) -> str:
        """What a key is for, as a sentence; empty where the schema does not say."""
        found: dict[str, Any] = {}
        for one in self._at(loc):
            found = one
        said = str(found.get("description", ""))
        choices = found.get("enum", ())
        named = all(f"`{one}`" in said for one in choices)
        return said if named else f"{said} One of {', '.join(json.dumps(one) for one in choices)}.".strip()

    def keys(self, loc: Loc) -> list[str]:
        """The keys that may stand there."""
        found = self._at(loc) if loc else [self._schema]
        return sorted({key for one in found for key in one.get("properties", {})})

    def mended(self, data: Mapping[str, Any], wrong: Sequence[Loc]) -> dict[str, Any]:
        """The same without what is wrong, or with something harmless in its place."""
        mended: dict[str, Any] = copy.deepcopy(dict(data))
        for loc in wrong:
            if loc[:1] == ("params",) and len(loc) > 2 and loc[2] in _PARAM:  # noqa: PLR2004
                mended["params"][loc[1]][loc[2]] = _PARAM[str(loc[2])]
            elif loc and loc[:1] in _STAND_IN:
                mended[str(loc[0])] = _STAND_IN[loc[:1]]
            elif loc:
                _remove(mended, loc)
        return mended

    def _at(self, loc: Loc) -> list[dict[str, Any]]:
        """Every alternative of what stands there."""
        found = list(_alternatives(self._schema, self._schema))
        for part in loc:
            inner = [below for one in found if (below := _below(one, part)) is not None]
            if not inner:
                continue  # the name of a type within an alternative, which stands in no file
            found = [one for below in inner for one in _alternatives(below, self._schema)]
        return found if loc else []


def _below(schema: Mapping[str, Any], part: str | int) -> dict[str, Any] | None:
    if isinstance(part, int):
        items = schema.get("items")
        return items if isinstance(items, dict) else None
    named = schema.get("properties", {}).get(part)
    rest = schema.get("additionalProperties")
    return named or (rest if isinstance(rest, dict) else None)


def _alternatives(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    said = {key: schema[key] for key in ("description",) if key in schema}
    if "$ref" in schema:
        yield from _alternatives({**whole["definitions"][schema["$ref"].rpartition("/")[2]], **said}, whole)
        return
    for one in schema.get("anyOf", ()):
        yield from _alternatives({**one, **said}, whole)
    if "anyOf" not in schema:
        yield dict(schema)


def _remove(data: Any, loc: Loc) -> None:
    for part in loc[:-1]:
        inner = data.get(part) if isinstance(data, dict) else None
        if isinstance(data, list) and isinstance(part, int) and part < len(data):
            inner = data[part]
        if not isinstance(inner, dict | list):
            break  # what is inside of a short form goes with all of it
        data = inner
    else:
        part = loc[-1]
        if isinstance(data, dict):
            data.pop(part, None)


@cache
def _read(file: Path) -> dict[str, Any]:
    try:
        schema: dict[str, Any] = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return schema
