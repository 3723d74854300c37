"""Linear's filters, walked along the schema's own input types (linear.app/developers/filtering).

``…Comparator`` tests a value, ``…CollectionFilter`` the things in a list, any other ``…Filter`` another entity.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import GraphQLInputObjectType, GraphQLNamedType, get_named_type

from loaner.sandbox.linear.comparing import holds
from loaner.sandbox.linear.derived import ABSENT, View
from loaner.sandbox.linear.errors import not_emulated
from loaner.sandbox.linear.state import Entity, Issue

Wanted = Mapping[str, Any]


def matches(view: View, entity: Entity | None, wanted: Wanted, kind: GraphQLInputObjectType) -> bool:
    """Whether an entity meets a filter. ``None`` meets only ``{null: true}``.

    Raises:
        GraphQLError: for a field that the sandbox keeps nothing for, rather than a wrong answer.
    """
    return all(_met(view, entity, name, condition, kind) for name, condition in wanted.items() if condition is not None)


def _met(view: View, entity: Entity | None, name: str, condition: Any, kind: GraphQLInputObjectType) -> bool:
    if name in {"and", "or"}:
        return (all if name == "and" else any)(matches(view, entity, each, kind) for each in condition)
    if name == "null":
        return (entity is None) == bool(condition)
    if entity is None:
        return False
    value = view.read(entity, name)
    if value is ABSENT:
        raise not_emulated(f"filtering by {kind.name}.{name}")
    inner = _named(kind, name)
    if inner.name.endswith("Comparator"):
        if inner.name == "IssueIDComparator":
            condition = _issue_ids(view, condition)
        return holds(value, condition, view.world.now())
    assert isinstance(inner, GraphQLInputObjectType)  # noqa: S101 - by the naming of the schema
    if inner.name.endswith("CollectionFilter"):
        return _collection(view, value, condition, inner)
    return matches(view, value, condition, inner)


def _collection(view: View, items: list[Entity], wanted: Wanted, kind: GraphQLInputObjectType) -> bool:
    """``some`` and ``every`` say it outright; a field on its own is met when some item meets it."""
    for name, condition in wanted.items():
        if condition is None:
            continue
        if name in {"some", "every"}:
            inner = _named(kind, name)
            assert isinstance(inner, GraphQLInputObjectType)  # noqa: S101 - by the schema
            met = (any if name == "some" else all)(matches(view, each, condition, inner) for each in items)
        elif name == "length":
            met = holds(len(items), condition, view.world.now())
        elif name == "null":
            met = (not items) == condition
        elif name in {"and", "or"}:
            met = (all if name == "and" else any)(_collection(view, items, each, kind) for each in condition)
        else:
            met = any(_met(view, each, name, condition, kind) for each in items)
        if not met:
            return False
    return True


def _named(kind: GraphQLInputObjectType, name: str) -> GraphQLNamedType:
    named: GraphQLNamedType = get_named_type(kind.fields[name].type)
    return named


def _issue_ids(view: View, wanted: Wanted) -> dict[str, Any]:
    """Identifiers such as ``ENG-1`` do as ids of issues here."""

    def known(reference: str) -> str:
        issue: Issue | None = view.world.issue(reference)
        return issue.id if issue else reference

    return {
        name: [known(each) for each in value] if isinstance(value, list) else known(value)
        for name, value in wanted.items()
    }
