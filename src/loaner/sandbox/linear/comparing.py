"""Linear's comparators: ``{eq: …, in: […], containsIgnoreCase: …}`` (linear.app/developers/filtering)."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from loaner.sandbox.linear.errors import not_emulated
from loaner.sandbox.linear.moments import moment


def _plain(text: str) -> str:
    return "".join(each for each in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(each))


_TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda it, wanted: bool(it == wanted),
    "in": lambda it, wanted: it in wanted,
    "lt": lambda it, wanted: bool(it < wanted),
    "lte": lambda it, wanted: bool(it <= wanted),
    "gt": lambda it, wanted: bool(it > wanted),
    "gte": lambda it, wanted: bool(it >= wanted),
    "contains": lambda it, wanted: wanted in it,
    "containsIgnoreCase": lambda it, wanted: wanted.lower() in it.lower(),
    "containsIgnoreCaseAndAccent": lambda it, wanted: _plain(wanted) in _plain(it),
    "startsWith": lambda it, wanted: bool(it.startswith(wanted)),
    "startsWithIgnoreCase": lambda it, wanted: bool(it.lower().startswith(wanted.lower())),
    "endsWith": lambda it, wanted: bool(it.endswith(wanted)),
    "eqIgnoreCase": lambda it, wanted: bool(it.lower() == wanted.lower()),
}
_OPPOSITES: Mapping[str, str] = {
    "neq": "eq",
    "nin": "in",
    "notContains": "contains",
    "notContainsIgnoreCase": "containsIgnoreCase",
    "notStartsWith": "startsWith",
    "notEndsWith": "endsWith",
    "neqIgnoreCase": "eqIgnoreCase",
}


def holds(value: Any, wanted: Mapping[str, Any], now: datetime) -> bool:
    """Whether a value meets every test of a comparator. Nothing is equal to, before or after a missing value."""
    for name, operand in wanted.items():
        if operand is None:
            continue
        if name == "null":
            met = (value is None) == operand
        elif name in {"and", "or"}:
            met = (all if name == "and" else any)(holds(value, each, now) for each in operand)
        elif name in _TESTS:
            met = _test(name, value, operand, now)
        elif name in _OPPOSITES:
            met = not _test(_OPPOSITES[name], value, operand, now)
        else:
            raise not_emulated(f"the comparator {name}")
        if not met:
            return False
    return True


def _test(name: str, value: Any, operand: Any, now: datetime) -> bool:
    if value is None:
        return False
    if isinstance(value, datetime):
        operand = [moment(each, now) for each in operand] if isinstance(operand, list) else moment(operand, now)
    return _TESTS[name](value, operand)
