"""What a rule names and no call can ever be about: a spelling that is not the canonical one, a kind that is not there.

Such a ``permit`` permits nothing, which somebody notices; such a ``forbid`` forbids nothing, which nobody does.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import cedarpy

from loaner.catalog.form import Form
from loaner.catalog.names import ResourceNames
from loaner.catalog.operation import Operation
from loaner.catalog.params import Param
from loaner.policy.rules import Rule

_FILLERS = ("", "a", "1", "A", "a/", "/a", "a/a", "#a", "A-1", "C0000000", "@a.b")
"""What a ``*`` may stand for when a pattern is tried."""
_MOST_STARS = 3
RESOURCE = {"Var": "resource"}
ARGUMENTS = {".": {"left": {"Var": "context"}, "attr": "arguments"}}


@dataclass(frozen=True)
class UnreachableRule:
    """One literal that never matches."""

    rule: str
    where: str
    """``file:line`` of the literal."""
    problem: str
    opens: bool
    """It lets through what the rule was written to stop: it stands in a ``forbid``, or in an exception to a permit."""

    def told(self) -> str:
        return f"rule “{self.rule}” {self.problem}"


def unreachable(rules: Iterable[Rule], operations: Iterable[Operation]) -> Iterator[UnreachableRule]:
    """Every literal of these rules that no call can match."""
    operations = list(operations)
    known = _Known(ResourceNames(operations, narrower=False), operations)
    for rule in rules:
        written = json.loads(cedarpy.policies_to_json_str(rule.text))["staticPolicies"]
        for policy in written.values():
            for literal, problem, negated in _of(policy, known):
                yield UnreachableRule(rule.name, _line(rule, literal), problem, policy["effect"] == "forbid" or negated)


@dataclass(frozen=True)
class _Known:
    names: ResourceNames
    operations: list[Operation]

    def resource(self, uid: str) -> str | None:
        """What is wrong with ``Resource::"…"``; ``None`` if nothing."""
        kind, named, name = uid.partition(":")
        if not named:
            return None if uid in self.names.whole else f"names {_quoted(uid)}, and no call is about that"
        if kind not in self.names.kinds:
            return f"names {_quoted(uid)}, and there is no kind of resource {_quoted(kind)}"
        return self._name(name, self.names.canonical(name, kind), shown=uid, before=f"{kind}:")

    def name(self, name: str) -> str | None:
        return None if name in self.names.whole else self._name(name, self.names.canonical(name), shown=name)

    def _name(self, name: str, canonical: set[str], *, shown: str, before: str = "") -> str | None:
        if name in canonical:
            return None
        if not canonical:
            return f"names {_quoted(shown)}, and no resource has such a name"
        return f"names {_quoted(shown)}, which never matches: its canonical name is {_quoted(before + min(canonical))}"

    def pattern(self, parts: list[str | None]) -> str | None:
        """What is wrong with ``resource.name like "…"``; only what is certain is said."""
        if parts.count(None) > _MOST_STARS or self._may_match(parts):
            return None
        for case in (str.lower, str.upper):
            other = [part if part is None else case(part) for part in parts]
            if self._may_match(other):
                return f"has the pattern {_quoted(_like(parts))}, which never matches: write {_quoted(_like(other))}"
        return None

    def _may_match(self, parts: list[str | None]) -> bool:
        stars = parts.count(None)
        for fill in itertools.product(_FILLERS, repeat=stars):
            rest = iter(fill)
            tried = "".join(next(rest) if part is None else part for part in parts)
            if tried in self.names.whole or tried in self.names.canonical(tried):
                return True
        return False

    def kind(self, kind: str) -> str | None:
        known = ", ".join(sorted(self.names.kinds))
        return None if kind in self.names.kinds else f"names the kind {_quoted(kind)}, and there are {known}"

    def provider(self, provider: str) -> str | None:
        known = ", ".join(sorted(self.names.providers))
        return None if provider in self.names.providers else f"names {_quoted(provider)}, and there are {known}"

    def id(self, known: str) -> str | None:
        patterns = (pattern for one in self.operations for pattern in one.provider.ids.values())
        if any(re.fullmatch(pattern, known) for pattern in patterns):
            return None
        return f"names the id {_quoted(known)}, and no provider has ids like that"

    def argument(self, name: str, value: str) -> str | None:
        if any(_is_other_name(one, name, value) for one in self.operations):
            return f"compares {name} with {_quoted(value)}, which it never is: rules see the name and not the id"
        params = [(one.params[name], one.provider.forms) for one in self.operations if name in one.params]
        if not params or any(_takes(param, value, forms) for param, forms in params):
            return None
        canonical = {
            forms[param.form].canonical(value)
            for param, forms in params
            if param.form and forms[param.form].fits(value)
        }
        cure = f": its canonical form is {_quoted(min(canonical))}" if canonical else ""
        return f"compares {name} with {_quoted(value)}, which it never is{cure}"


def _is_other_name(operation: Operation, name: str, value: str) -> bool:
    """Is it the id of what goes by another name?"""
    kind, provider = named_by(operation, name), operation.provider
    if kind is None or not provider.id_in(f"{kind}:{value}"):
        return False
    identify = provider.identify[kind]
    return identify.is_for(value) and identify.name != identify.id


def named_by(operation: Operation, param: str) -> str | None:
    """The kind of thing that a parameter names, where things of it have several names that only the provider knows."""
    kind = operation.rule.kind_of(param)
    identify = operation.provider.identify.get(kind or "")
    return kind if identify and not identify.lasting else None


def _takes(param: Param, value: str, forms: dict[str, Form]) -> bool:
    given: Any = [value] if param.type == "list" else value
    if param.type not in {"string", "list"}:
        return True  # Cedar's own types settle that
    if param.problem(given, forms):
        return False
    return bool(param.canonical(given, forms) == (tuple(given) if param.type == "list" else given))


Found = Iterator[tuple[str, str, bool]]
"""The literal, what is wrong with it, and whether it stands where a match takes away from a permit."""


def _of(policy: dict[str, Any], known: _Known) -> Found:
    scope = policy["resource"]
    for entity in [scope.get("entity"), scope.get("in", {}).get("entity")]:
        if entity and (problem := known.resource(entity["id"])):
            yield entity["id"], problem, False
    for condition in policy["conditions"]:
        yield from _in(condition["body"], known, negated=condition["kind"] == "unless")


def _in(node: Any, known: _Known, *, negated: bool) -> Found:
    if isinstance(node, list):
        for one in node:
            yield from _in(one, known, negated=negated)
        return
    if not isinstance(node, dict):
        return
    for operator, inner in node.items():
        for literal, problem in _compared(operator, inner, known):
            yield literal, problem, negated or operator == "!="
        if operator == "if-then-else":  # either way round, so it is held to the stricter
            yield from _in(list(inner.values()), known, negated=True)
        elif operator not in {"Value", "Var"}:
            deeper = list(inner.values()) if isinstance(inner, dict) else inner
            yield from _in(deeper, known, negated=negated or operator == "!")


def _compared(operator: str, inner: Any, known: _Known) -> Iterator[tuple[str, str]]:
    if operator == "like":
        if attribute_of(inner["left"]) == "name":
            parts = [None if part == "Wildcard" else part["Literal"] for part in inner["pattern"]]
            if problem := known.pattern(parts):
                yield _like(parts), problem
        return
    if operator not in {"==", "!=", "in", "contains", "containsAny", "containsAll"}:
        return
    left, right = inner["left"], inner["right"]
    for what, against in ((left, right), (right, left)):
        for literal in literals_in(against):
            if problem := _wrong(what, literal, known):
                yield literal, problem


def _wrong(what: Any, literal: str, known: _Known) -> str | None:
    if what == RESOURCE:
        return known.resource(literal)
    checks = {"name": known.name, "id": known.id, "kind": known.kind, "provider": known.provider}
    attribute = attribute_of(what)
    if attribute in checks:
        return checks[attribute](literal)
    if isinstance(what, dict) and what.get(".", {}).get("left") == ARGUMENTS:
        return known.argument(what["."]["attr"], literal)
    return None


def attribute_of(node: Any) -> str | None:
    """``name`` of ``resource.name``."""
    access = node.get(".") if isinstance(node, dict) else None
    return str(access["attr"]) if access and access["left"] == RESOURCE else None


def literals_in(node: Any) -> Iterator[str]:
    if not isinstance(node, dict):
        return
    if isinstance(node.get("Value"), str):
        yield node["Value"]
    elif isinstance(entity := node.get("Value"), dict) and entity.get("__entity", {}).get("type") == "Resource":
        yield entity["__entity"]["id"]
    for one in node.get("Set", ()):
        yield from literals_in(one)


def _like(parts: list[str | None]) -> str:
    return "".join("*" if part is None else part for part in parts)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _line(rule: Rule, literal: str) -> str:
    file, _, first = rule.where.rpartition(":")
    before = rule.text.partition(_quoted(literal))[0] if _quoted(literal) in rule.text else ""
    return f"{file}:{int(first) + before.count(chr(10))}"
