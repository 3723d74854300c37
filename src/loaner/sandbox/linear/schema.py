"""Linear's published schema, trimmed to what is emulated (``schema.graphql``; its header says from where), with the few
fields that its official SDK knows beyond that (``newer.graphql``)."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from graphql import GraphQLScalarType, GraphQLSchema, build_schema

from loaner.sandbox.ledger import iso
from loaner.sandbox.linear.moments import duration, moment


@cache
def schema() -> GraphQLSchema:
    """The executable schema. Built when first asked for: it takes a fifth of a second."""
    here = files("loaner.sandbox.linear")
    text = [here.joinpath(name).read_text(encoding="utf-8") for name in ("schema.graphql", "newer.graphql")]
    built = build_schema("\n".join(text), assume_valid=True)
    for name in ("DateTime", "TimelessDate", "DateTimeOrDuration", "TimelessDateOrDuration"):
        scalar = built.type_map[name]
        assert isinstance(scalar, GraphQLScalarType)  # noqa: S101 - the file is ours
        scalar.coerce_input_value = _date
        scalar.coerce_output_value = _shown
    return built


def _date(value: Any) -> str:
    """The text as sent, once it is known to say a time; what it means depends on when it is used."""
    if not isinstance(value, str):
        raise TypeError("a date is a string in ISO 8601")
    if duration(value) is None:
        moment(value, datetime.min.replace(tzinfo=UTC))
    return value


def _shown(value: Any) -> str | None:
    return iso(value) if isinstance(value, datetime) else str(value)
