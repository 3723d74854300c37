"""Which providers' resources the rules tell apart: there, what an answer says of each is ruled on as well."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import cedarpy

from loaner.catalog.names import ResourceNames, Template
from loaner.catalog.operation import Operation
from loaner.policy.literals import ARGUMENTS, RESOURCE, attribute_of, literals_in, named_by
from loaner.policy.rules import Rule


def protected(rules: Iterable[Rule], operations: Iterable[Operation]) -> frozenset[str]:
    """The providers of which some rule tells one resource from another by its name or id."""
    operations = list(operations)
    templates = ResourceNames(operations, narrower=False).templates
    named: set[str] = set()
    for rule in rules:
        for policy in json.loads(cedarpy.policies_to_json_str(rule.text))["staticPolicies"].values():
            literals = set(_naming([policy["resource"], *policy["conditions"]]))
            for literal in literals:
                # A pattern, or an id, may be of any provider.
                of = {one.provider for one in templates if literal is not None and _is_of(one, literal)}
                named |= of or {one.provider.name for one in operations}
    return frozenset(named)


def by_id(rules: Iterable[Rule], operations: Iterable[Operation]) -> frozenset[str]:
    """The providers of which some rule tells one resource from another by its id."""
    providers = {one.provider.name: one.provider for one in operations}
    named: set[str] = set()
    for rule in rules:
        for policy in json.loads(cedarpy.policies_to_json_str(rule.text))["staticPolicies"].values():
            for literal in _naming(policy["conditions"], {"id"}):
                patterns = ((name, pattern) for name, one in providers.items() for pattern in one.ids.values())
                of = {name for name, pattern in patterns if literal is not None and re.fullmatch(pattern, literal)}
                named |= of or set(providers)
    return frozenset(named)


def by_argument(rules: Iterable[Rule], operations: Iterable[Operation]) -> frozenset[str]:
    """The providers of which some rule looks at an argument that names a thing which has other names as well."""
    operations = list(operations)
    looked_at: set[str] = set()
    for rule in rules:
        for policy in json.loads(cedarpy.policies_to_json_str(rule.text))["staticPolicies"].values():
            looked_at |= set(_arguments(policy["conditions"]))
    return frozenset(
        one.provider.name for one in operations for name in looked_at & set(one.params) if named_by(one, name)
    )


def _arguments(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for one in node:
            yield from _arguments(one)
    elif isinstance(node, dict):
        if isinstance(access := node.get("."), dict) and access["left"] == ARGUMENTS:
            yield str(access["attr"])
        yield from _arguments(list(node.values()))


def _is_of(template: Template, literal: str) -> bool:
    kind, _, name = literal.partition(":")
    return kind == template.kind or any(template.canonical(one) is not None for one in (literal, name))


def _naming(node: Any, by: Collection[str] = ("", "name", "id")) -> Iterator[str | None]:
    """What a rule compares a resource (``""``), its name or its id with; ``None`` where that is not plain text."""
    if isinstance(node, list):
        for one in node:
            yield from _naming(one, by)
        return
    if not isinstance(node, dict):
        return
    if "" in by and "entity" in node and node["entity"].get("type") == "Resource":
        yield node["entity"]["id"]
    for operator, inner in node.items():
        if isinstance(inner, dict) and "left" in inner and operator not in {".", "has", "is"}:
            for what, against in ((inner["left"], inner.get("right")), (inner.get("right"), inner["left"])):
                if attribute_of(what) in by or (what == RESOURCE and "" in by):
                    found = list(literals_in(against))
                    yield from found or (None,)
        yield from _naming(inner, by)
