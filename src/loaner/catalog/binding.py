"""Checking arguments against a tool's parameters, strictly and all at once."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from loaner.catalog import cursor
from loaner.catalog.form import Form
from loaner.catalog.params import Param
from loaner.characters import hides
from loaner.errors import InvalidArguments

NAME_SHOWN = 32
"""Longer than any name of ours, and shorter than any provider's key."""
UNKNOWN_TOLD = 8
"""Unknown fields of one call that are named in the refusal."""


def check(
    tool: str, params: Mapping[str, Param], forms: Mapping[str, Form], given: Mapping[str, Any]
) -> Mapping[str, Any]:
    """What is ``given``, as :func:`meant` has it, with defaults and every name in its canonical spelling, read-only, in
    the order of the parameters.

    Raises :class:`InvalidArguments` naming every problem. A refused value is repeated only where it is short and not
    content: it may be a secret that somebody pasted into the wrong place.
    """
    problems = _unknowns([name for name in given if name not in params], params)
    checked: dict[str, Any] = {}
    for name, param in params.items():
        value = given.get(name)
        if value is None:
            if param.must_be_given:
                problems.append(f"{name} is required")
            elif param.default is not None:
                checked[name] = param.default
            continue
        problem = param.problem(value, dict(forms)) or _cursor_problem(tool, name, param, value)
        if problem:
            problems.append(f"{name} {problem}")
            continue
        checked[name] = param.canonical(value, forms)
    for name, param in params.items():
        if param.where and name in checked and (problem := param.where.problem(checked[name], checked)):
            problems.append(f"{name} {problem}")
    if problems:
        valid = f" Valid: {', '.join(params)}." if params else " This tool takes no arguments."
        raise InvalidArguments(f"{'; '.join(problems)}.{valid}")
    return MappingProxyType(checked)


def meant(params: Mapping[str, Param], given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments without those that are left out, null and empty ones among them."""
    found = {name: params[name].meant(value) if name in params else value for name, value in given.items()}
    return {name: value for name, value in found.items() if value is not None or name not in params}


def written(params: Mapping[str, Param], given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The content among checked arguments as it was written: it may become a name that was not there before."""
    content = {
        name: given[name] for name, param in params.items() if param.role == "content" and given.get(name) is not None
    }
    return MappingProxyType(
        {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}
    )


def _unknowns(names: list[Any], params: Mapping[str, Param]) -> list[str]:
    """The first few: to look for what each of a thousand may have meant keeps everybody else waiting."""
    told = [_unknown(name, params) for name in names[:UNKNOWN_TOLD]]
    more = len(names) - len(told)
    return [*told, *([f"{more} more unknown fields"] if more else [])]


def _unknown(name: Any, params: Mapping[str, Param]) -> str:
    shown = str(name)[:NAME_SHOWN] if not hides(str(name)[:NAME_SHOWN]) else "…"
    close = difflib.get_close_matches(shown, params, n=1)
    return f"unknown field “{shown}”" + (f", did you mean “{close[0]}”?" if close else "")


def _cursor_problem(tool: str, name: str, param: Param, value: Any) -> str | None:
    if name != "cursor" or param.role != "page":
        return None
    try:
        cursor.decode(tool, value)
    except ValueError:
        return "must be the next_cursor of an earlier answer of this same tool"
    return None


def from_text(params: Mapping[str, Param], pairs: Mapping[str, str]) -> dict[str, Any]:
    """Arguments typed as ``key=value``: numbers, booleans and comma-separated lists become what they mean.

    What does not parse stays text, so that :func:`check` says what is wrong with it.
    """
    return {name: _parsed(params[name], text) if name in params else text for name, text in pairs.items()}


def _parsed(param: Param, text: str) -> Any:
    match param.type:
        case "integer":
            return int(text) if text.removeprefix("-").isascii() and text.removeprefix("-").isdecimal() else text
        case "boolean":
            return {"true": True, "false": False}.get(text.lower(), text)
        case "map":
            pairs = [part.partition("=") for part in text.split(",") if part.strip()]
            return {name.strip(): value for name, _, value in pairs}
        case "list":
            return [part.strip() for part in text.split(",") if part.strip()]
        case "string":
            return text
