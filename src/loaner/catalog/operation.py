"""One thing a provider can do (one tool), and one checked call of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

from loaner.catalog import binding, cursor, schema
from loaner.catalog.lookup import Lookup
from loaner.catalog.params import Param
from loaner.catalog.provider import Provider
from loaner.catalog.request import RequestParts, build
from loaner.catalog.result import Result, ResultPage
from loaner.catalog.rule import PLACEHOLDER, CaseTold, ScopeRule
from loaner.catalog.step import TEAM, WITHIN, Step
from loaner.characters import marked
from loaner.errors import InvalidArguments
from loaner.scope import Limit, Scope

_LONGEST_NAME, _END = 80, 20
"""Characters of a name that stand in a sentence, and how many of them are its last."""
"""Characters of an argument that a sentence shows."""

Effect = Literal["read", "write", "destructive"]


@dataclass(frozen=True)
class PlannedRequest:
    """What would be sent, for people to read. Nothing was sent to find out."""

    method: str
    url: str
    query: dict[str, str]
    body: object
    graphql: str | None = None
    """The document, where the request is GraphQL; ``body`` then holds the variables."""


@dataclass(frozen=True)
class OperationScope:
    """The rule of one operation, bound to its provider."""

    provider: Provider
    params: Mapping[str, Param]
    rule: ScopeRule

    def of(self, bound: BoundCall) -> Scope:
        """The least that this call needs. Raises :class:`InvalidArguments` where no case covers the arguments."""
        permissions = self.rule.permissions_for(bound.arguments)
        for name, param in self.params.items():
            lookup = self.provider.lookups[param.lookup] if param.lookup else None
            if lookup and lookup.needed(bound.arguments.get(name)):
                permissions |= lookup.permissions_for(bound.arguments)
        resource = self.rule.resource_for(bound.arguments)
        account = bound.arguments.get(self.rule.account, "") if self.rule.account and ":" not in resource else ""
        enforced = self.provider.limits
        limits = [Limit("permissions", ", ".join(sorted(permissions)) or "none", enforced.permissions)]
        if ":" in resource:
            limits.append(Limit("resource", resource.partition(":")[2], enforced.resource))
        if account:
            limits.append(Limit("resource", account, enforced.resource))
        limits.append(Limit("call", "this call only", enforced.call))
        return Scope(
            self.provider.name,
            permissions,
            resource,
            self.rule.alternatives,
            tuple(limits),
            narrower=self.rule.narrower_for(bound.arguments),
            wider=self.provider.wider_than(resource),
            account=account,
            beside=tuple(self.provider.beside(*one) for one in self.rule.beside_for(bound.arguments).items()),
        )

    @property
    def permissions(self) -> frozenset[str]:
        """Before any case: what the narrowest call needs. Empty for ``none`` and where only cases give some."""
        return self.rule.permissions if isinstance(self.rule.permissions, frozenset) else frozenset()

    @property
    def usual(self) -> frozenset[str]:
        """What a call needs that chooses nothing and goes by names."""
        defaults = {name: param.default for name, param in self.params.items() if param.default is not None}
        with contextlib.suppress(InvalidArguments):  # it has no usual case
            found = self.rule.permissions_for(defaults)
            lookups = (self.provider.lookups[param.lookup] for param in self.params.values() if param.lookup)
            return found.union(*(lookup.permissions_for(defaults) for lookup in lookups))
        return frozenset()

    def cases(self) -> tuple[CaseTold, ...]:
        """What adds to the scope and when, lookups included."""
        told = list(self.rule.cases())
        for name, param in self.params.items():
            lookup = self.provider.lookups[param.lookup] if param.lookup else None
            if lookup:
                when = f"{name} is a name to look up"
                if isinstance(lookup.scope.permissions, frozenset):
                    told.append(CaseTold(when, lookup.scope.permissions, "add"))
                told += [CaseTold(f"{when} and {case.when}", case.permissions, "add") for case in lookup.scope.cases()]
        return tuple(told)


@dataclass(frozen=True, eq=False)
class Operation:
    """One tool. Equal only to itself: it is made once, when the catalogue is loaded."""

    provider: Provider
    name: str
    summary: str
    effect: Effect
    idempotent: bool
    overwrites: bool
    """May this write replace what was there?"""
    source: str
    toolset: str
    default: bool
    """In the set that is shown when nobody chooses."""
    aliases: tuple[str, ...]
    wording: str
    """The verb phrase with placeholders of resource and selector parameters."""
    wording_any: str
    """The same for whatever else may be done on that resource; placeholders of the resource only."""
    check: str | None
    """A reading tool that tells whether a write happened."""
    find: str | None
    """A reading tool that finds what this one has to be given."""
    params: Mapping[str, Param]
    rule: ScopeRule
    steps: tuple[Step, ...]
    result: Result
    page: ResultPage | None = None
    refusals: Mapping[int, str] = field(default_factory=dict)
    """What an HTTP status means for this operation."""

    @property
    def tool(self) -> str:
        return f"{self.provider.name}_{self.name}"

    @cached_property
    def scope(self) -> OperationScope:
        return OperationScope(self.provider, self.params, self.rule)

    @cached_property
    def check_of_resource(self) -> Lookup | None:
        """The look-up of its resource's name, where the provider itself takes that."""
        checks = (param.check for param in self.params.values() if param.role == "resource")
        return next((self.provider.lookups[check] for check in checks if check), None)

    def bind(self, arguments: Mapping[str, Any]) -> BoundCall:
        """One exact call. Raises :class:`InvalidArguments` naming everything that does not fit."""
        given = binding.meant(self.params, arguments)
        checked = binding.check(self.tool, self.params, self.provider.forms, given)
        bound = BoundCall(self, checked, binding.written(self.params, given))
        self._refuse_no_change(checked)
        self.scope.of(bound)  # a call whose scope is unknown is refused here, before anyone is asked about it
        bound.plan()  # likewise one that does not fit its path
        return bound

    def _refuse_no_change(self, arguments: Mapping[str, Any]) -> None:
        """Nobody is asked about a change of nothing."""
        steps = [step for step in self.steps if step.changes] if self.effect == "write" else []
        changes = [self._changes(step) for step in steps]
        if changes and all(each and not each & set(arguments) for each in changes):
            names = [name for name in self.params if any(name in each for each in changes)]
            raise InvalidArguments(f"nothing would be changed. Give at least one of {', '.join(names)}.")

    def _changes(self, step: Step) -> set[str]:
        """The parameters without which a request changes nothing; empty where it always changes something."""
        placed = step.placed()
        if any(value.value is not None for value in placed):
            return set()
        return {value.param for value in placed if value.param and self.params[value.param].role != "resource"}

    def from_text(self, pairs: Mapping[str, str]) -> dict[str, Any]:
        """Arguments from ``key=value`` texts, for :meth:`bind`."""
        return binding.from_text(self.params, pairs)

    @cached_property
    def input_schema(self) -> dict[str, Any]:
        return schema.input_schema(self.params, self.provider.forms)

    @cached_property
    def output_schema(self) -> dict[str, Any]:
        accounts = self.rule.account is not None
        return schema.output_schema(self.result, self.page, limited=self.can_be_limited, accounts=accounts)

    @cached_property
    def description(self) -> str:
        """What it does, then its scope."""
        needed = ", ".join(sorted(self.scope.permissions))
        if self.rule.permissions == "none":
            return f"{self.summary} Scope: no permission."
        if not needed:
            needed = " or ".join(sorted({", ".join(sorted(case.permissions)) for case in self.rule.cases()}))
        kind, _, named = self.rule.resource.partition(":")
        return f"{self.summary} Scope: {needed} on {f'that {kind}' if named else f'the {kind}'}."

    @property
    def annotations(self) -> dict[str, bool]:
        """MCP's four hints, all explicit. Hints only: nothing is authorised by them."""
        return {
            "readOnlyHint": self.effect == "read",
            "destructiveHint": self.effect == "destructive" or self.overwrites,  # "if false, only additive"
            "idempotentHint": self.idempotent,
            "openWorldHint": True,
        }

    def phrase(self, bound: BoundCall) -> str:
        """``open an issue in acme/web``."""
        return _said(self.wording, bound)

    def phrase_any(self, bound: BoundCall) -> str:
        """``open any issue in acme/web, any text``: all calls of this operation on the resource of this one."""
        return _said(self.wording_any, bound)

    @property
    def can_be_limited(self) -> bool:
        """Can its query say which repositories it is about?"""
        return any(value.limited for step in self.steps for value in step.placed())

    @property
    def request(self) -> str:
        """Method and path, or GraphQL operation, of each step; for the table of scopes."""
        return "; ".join(step.label for step in self.steps)


@dataclass(frozen=True, eq=False)
class BoundCall:
    """One call whose arguments were checked. Nothing changes it afterwards."""

    operation: Operation
    arguments: Mapping[str, Any]
    """As rules compare them, each name in its one spelling."""
    written: Mapping[str, Any] = field(default_factory=dict)
    """What is content, as its author wrote it: a new label has its capitals."""

    @cached_property
    def scope(self) -> Scope:
        """The least that will do, from the operation and its arguments alone."""
        return self.operation.scope.of(self)

    def called(self, name: str, canonical: str) -> BoundCall:
        """The same call with its resource by its canonical name."""
        params = self.operation.params.items()
        names = [one for one, param in params if param.role == "resource" and self.arguments.get(one) == name]
        if name == canonical or not names:
            return self
        return replace(self, arguments=MappingProxyType({**self.arguments, **dict.fromkeys(names, canonical)}))

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 over the canonical JSON of tool and arguments, content letter by letter as it was shown."""
        said = [self.operation.tool, dict(self.arguments) | dict(self.written)]
        canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    @cached_property
    def agreed(self) -> Mapping[str, Any]:
        """The arguments as a task compares them with those that it fixes."""
        params, forms = self.operation.params, self.operation.provider.forms
        written = {name: params[name].agreed(value, forms) for name, value in self.written.items() if value}
        return dict(self.arguments) | written

    @cached_property
    def payload(self) -> list[tuple[str, str]]:
        """Label and value of all that is sent besides the resource, verbatim, for the person who decides."""
        shown = []
        for name, param in self.operation.params.items():
            if param.role in {"resource", "page"} or name not in self.arguments:
                continue
            value = self.written.get(name, self.arguments[name])
            if param.clear and value == param.cleared:
                shown.append((f"clears the {plain_name(name)}", ""))
                continue
            if isinstance(value, dict):
                shown += [(f"{name} {param.entry(key)}", text) for key, text in value.items()]
                continue
            if isinstance(value, bool):
                value = "true" if value else "false"
            shown.append((name, ", ".join(value) if isinstance(value, tuple) else str(value)))
        return shown

    @cached_property
    def sent(self) -> Mapping[str, Any]:
        """The arguments as requests see them: content as written, and the provider's own mark as cursor."""
        arguments = dict(self.arguments) | dict(self.written)
        if self.operation.page and "cursor" in arguments:
            arguments["cursor"] = cursor.decode(self.operation.tool, arguments["cursor"])
        for name, param in self.operation.params.items():
            # A number has no empty text, and Linear takes null where others take that.
            as_null = param.clear == "null" or param.type == "integer" or self.operation.provider.graphql
            if param.clear and arguments.get(name) == "" and as_null:
                arguments[name] = None
        return MappingProxyType(arguments)

    def requests(self, step: Step, taken: Mapping[str, Any], resolved: Mapping[str, Any]) -> RequestParts:
        """The request of one step, given what earlier answers held."""
        return build(step, self.operation.provider, dict(self.sent) | dict(resolved), taken)

    def plan(self) -> list[PlannedRequest]:
        """Every request of this call. What depends on an earlier answer shows as ``<name>``."""
        operation, planned = self.operation, []
        resolved: dict[str, str] = {}
        team = "<workspace>" if operation.provider.grant.account.team else None
        for name, param in operation.params.items():
            lookup = operation.provider.lookups[param.lookup] if param.lookup else None
            if lookup and lookup.needed(self.arguments.get(name)):
                wanted = lookup.wanted(self.arguments[name])
                known, given = dict(self.sent) | resolved, {"wanted": wanted, TEAM: team}
                planned += [_planned(build(step, operation.provider, known, given)) for step in lookup.steps]
                resolved[name] = f"<id of {self.arguments[name]}>"
        scope = operation.scope.of(self)
        within = (scope.resource_name if scope.resource_kind == "repository" else scope.account or "<account>",)
        taken: dict[str, Any] = {name: f"<{name}>" for step in operation.steps for name in step.take}
        taken |= {"fresh": "<new UUID>", WITHIN: within, TEAM: team}
        steps = (step for step in operation.steps if step.when is None or step.when.holds(self.arguments))
        return planned + [_planned(self.requests(step, taken, resolved)) for step in steps]


def plain_name(name: str) -> str:
    """``assigneeId`` as people say it: ``assignee``."""
    return re.sub(r"(?<=[a-z])([A-Z])", r" \1", re.sub(r"Id(s?)$", r"\1", name)).replace("_", " ").lower()


def _said(wording: str, bound: BoundCall) -> str:
    return marked(PLACEHOLDER.sub(lambda found: _named(bound.arguments[found[1]]), wording))


def _named(value: Any) -> str:
    """A value inside a sentence. What holds spaces stands in quotes, so that it cannot pass for the sentence."""
    text = ", ".join(value) if isinstance(value, tuple) else str(value)
    shown = text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - _END]}…{text[-_END:]}"
    return f"“{shown.replace('“', ' ').replace('”', ' ')}”" if re.search(r"\s", shown) else shown


def _planned(outgoing: RequestParts) -> PlannedRequest:
    if outgoing.graphql:
        variables = (outgoing.json or {}).get("variables")
        return PlannedRequest(outgoing.method, outgoing.url, outgoing.query, variables, outgoing.graphql)
    body = outgoing.content.decode() if outgoing.content is not None else outgoing.json or outgoing.form
    return PlannedRequest(outgoing.method, outgoing.url, outgoing.query, body)
