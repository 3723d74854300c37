"""Writes ``connectors/provider.schema.json`` and ``operation.schema.json``, from the models. ``./run docs`` runs it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

sys.path.insert(0, str(Path(__file__).parent))
from field_notes import note, plain

from loaner.catalog.base import Definition
from loaner.catalog.definition import OperationDefinition
from loaner.catalog.provider import Provider

_DRAFT = "http://json-schema.org/draft-07/schema#"


def every_model(base: type[BaseModel] = Definition) -> dict[str, type[BaseModel]]:
    found: dict[str, type[BaseModel]] = {}
    for one in base.__subclasses__():
        found |= {one.__name__: one} | every_model(one)
    return found


def schema(model: type[BaseModel], title: str, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """What an editor completes from and checks: draft 7, with the meaning of each key."""
    made = model.model_json_schema()
    models = every_model()
    definitions = made.pop("$defs", {})
    for name in without:
        made["properties"].pop(name)
        made["required"].remove(name)
    _describe(made, model)
    for name, one in definitions.items():
        _describe(one, models[name])
    whole: dict[str, Any] = {"$schema": _DRAFT} | made | {"title": title, "definitions": definitions}
    text = json.dumps(_plainer(whole) | {"title": title}, ensure_ascii=False)
    plain_json: dict[str, Any] = json.loads(text.replace("#/$defs/", "#/definitions/"))
    return plain_json


def _describe(one: dict[str, Any], model: type[BaseModel]) -> None:
    if "description" in one:
        one["description"] = plain(one["description"])
    names = {field.alias or name: name for name, field in model.model_fields.items()}
    for key, field in one.get("properties", {}).items():
        if said := note(model, names[key]):
            field["description"] = said


def _plainer(value: Any) -> Any:
    """Without titles, which repeat the key, and without null, which TOML does not have."""
    if isinstance(value, list):
        return [_plainer(one) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _plainer(one) for key, one in value.items() if key != "title" or not isinstance(one, str)}
    if kept.get("default", ...) is None:
        del kept["default"]
    kinds = [one for one in kept.get("anyOf", ()) if one != {"type": "null"}]
    if len(kinds) == 1:
        del kept["anyOf"]
        return kinds[0] | kept
    return kept | ({"anyOf": kinds} if kinds else {})


def schemas() -> dict[str, str]:
    """The text of each file, by its name."""
    made = {
        "provider.schema.json": schema(Provider, "A provider of loaner (provider.toml)", without=("name",)),
        "operation.schema.json": schema(OperationDefinition, "An operation of loaner (<operation>.toml)"),
    }
    return {name: json.dumps(one, indent=1, ensure_ascii=False) + "\n" for name, one in made.items()}


if __name__ == "__main__":
    for name, text in schemas().items():
        (Path(__file__).parents[2] / "connectors" / name).write_text(text, "utf-8")
