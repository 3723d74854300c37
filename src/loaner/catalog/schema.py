"""Tool schemas for MCP, from parameters and results."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from loaner.catalog.form import Form
from loaner.catalog.params import Param
from loaner.catalog.result import Result, ResultPage, schema_of


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
    schema: dict[str, Any] = {"description": f"{param.about} Empty clears it." if param.clear else param.about}
    match param.type:
        case "boolean":
            schema |= {"type": "boolean"}
        case "integer":
            schema |= {
                "type": ["integer", "null"] if param.clear else "integer",
                "minimum": param.min,
                "maximum": param.max,
            }
        case "string":
            schema |= _string(param, forms)
        case "list":
            items = _string(param.model_copy(update={"clear": False}), forms)
            schema |= {
                "type": "array",
                "items": items,
                "minItems": 0 if param.clear else 1,
                "maxItems": param.max_items,
            }
        case "map":
            texts = {"type": "string", "maxLength": param.longest}
            schema |= {"type": "object", "additionalProperties": texts, "maxProperties": param.max_items}
    if param.default is not None:
        schema["default"] = list(param.default) if isinstance(param.default, tuple) else param.default
    return schema


def _string(param: Param, forms: Mapping[str, Form]) -> dict[str, Any]:
    if param.choices:
        return {"type": "string", "enum": [*param.choices, *([""] if param.clear else [])]}
    schema: dict[str, Any] = {"type": "string", "maxLength": param.longest}
    if param.form:
        if not re.search("[*+]", forms[param.form].written):
            del schema["maxLength"]  # the pattern says it
        return schema | {"pattern": f"^(?:{forms[param.form].written}){'?' if param.clear else ''}$"}
    return schema | {"minLength": 0 if param.clear else param.min_length}


def output_schema(
    result: Result, page: ResultPage | None, *, limited: bool = False, accounts: bool = False
) -> dict[str, Any]:
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
    if accounts:
        why = {"account": {"type": "string"}, "why": {"type": "string"}}
        properties["account"] = {"type": "string"}
        properties["partial"] = {"type": "boolean"}
        properties["accounts_left_out"] = {"type": "array", "items": {"type": "object", "properties": why}}
        properties["advice"] = {"type": "string"}
    if any(kept.of for kept in result.keep.values()):
        properties["left_out"] = {"type": "integer"}
    return schema
