"""Tool schemas for MCP, from parameters and results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loaner.catalog.form import Form
from loaner.catalog.params import Param
from loaner.catalog.result import Page, Result, schema_of


def input_schema(params: Mapping[str, Param], forms: Mapping[str, Form]) -> dict[str, Any]:
    """Strict: nothing beyond these parameters, and every one bounded."""
    required = [name for name, param in params.items() if param.must_be_given]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: _param(param, forms) for name, param in params.items()},
        "additionalProperties": False,
    }
    return schema | ({"required": required} if required else {})


def _param(param: Param, forms: Mapping[str, Form]) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": param.about}
    match param.type:
        case "boolean":
            schema |= {"type": "boolean"}
        case "integer":
            schema |= {"type": "integer", "minimum": param.min, "maximum": param.max}
        case "string":
            schema |= _string(param, forms)
        case "list":
            schema |= {"type": "array", "items": _string(param, forms), "minItems": 1, "maxItems": param.max_items}
    if param.default is not None:
        schema["default"] = list(param.default) if isinstance(param.default, tuple) else param.default
    return schema


def _string(param: Param, forms: Mapping[str, Form]) -> dict[str, Any]:
    if param.choices:
        return {"type": "string", "enum": list(param.choices)}
    schema: dict[str, Any] = {"type": "string", "maxLength": param.longest}
    least = {"pattern": f"^(?:{forms[param.form].written})$"} if param.form else {"minLength": param.min_length}
    return schema | least


def output_schema(result: Result, page: Page | None, *, limited: bool = False) -> dict[str, Any]:
    """What a successful answer may hold; ``truncated`` where something can be cut, and where to go on with texts."""
    schema = schema_of(result.keep)
    properties: dict[str, Any] = schema["properties"]
    for name, value in result.say.items():
        properties[name] = {"type": "boolean" if isinstance(value, bool) else "string"}
    if result.nothing:
        properties["note"] = {"type": "string"}
    if result.already:
        properties["already"] = {"type": "boolean"}
    if page:
        properties["next_cursor"] = {"type": "string"}
    if result.cuts or any(kept.each for kept in result.keep.values()):
        properties["truncated"] = {"type": "boolean"}
    if result.cuts:
        properties["continue_from"] = {"type": "integer"}
    if limited:
        properties["limited_to"] = {"type": "array", "items": {"type": "string"}}
        properties["advice"] = {"type": "string"}
        properties["not_searched"] = {"type": "integer"}
    if any(kept.of for kept in result.keep.values()):
        properties["left_out"] = {"type": "integer"}
    return schema
