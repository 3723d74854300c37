"""What a query costs (linear.app/developers/rate-limiting, "Complexity"): a property 0.1, an object 1, a connection
its content times the page size asked for (50 if not said); rounded up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_leaf_type,
)

from loaner.sandbox.linear.paging import DEFAULT

MOST = 10_000
"""The most that one query may cost."""
_PROPERTY, _OBJECT = 0.1, 1.0


class Costs:
    """The cost of selections, given the fragments and variables of one request."""

    def __init__(
        self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], variables: Mapping[str, Any]
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._variables = variables

    def of(self, selections: SelectionSetNode, parent: GraphQLNamedType) -> int:
        return math.ceil(round(self._of(selections, parent), 6))

    def _of(self, selections: SelectionSetNode | None, parent: GraphQLNamedType) -> float:
        total = 0.0
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                total += self._field(node, parent)
            elif isinstance(node, FragmentSpreadNode):
                total += self._of(self._fragments[node.name.value].selection_set, parent)
            elif isinstance(node, InlineFragmentNode):
                total += self._of(node.selection_set, parent)
        return total

    def _field(self, node: FieldNode, parent: GraphQLNamedType) -> float:
        field = self._known(node, parent)
        if field is None:
            return 0.0  # introspection is free
        kind = get_named_type(field.type)
        if is_leaf_type(kind):
            return _PROPERTY
        inside = self._of(node.selection_set, kind)
        return _OBJECT + inside * (self._page(node) if {"first", "last"} & set(field.args) else 1)

    @staticmethod
    def _known(node: FieldNode, parent: GraphQLNamedType) -> GraphQLField | None:
        if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
            field: GraphQLField | None = parent.fields.get(node.name.value)
            return field
        return None

    def _page(self, node: FieldNode) -> int:
        for argument in node.arguments or ():
            if argument.name.value in {"first", "last"}:
                value = argument.value
                if isinstance(value, IntValueNode):
                    return int(value.value)
                if isinstance(value, VariableNode):
                    return self._variables.get(value.name.value) or DEFAULT
        return DEFAULT
