"""Ruling by a Cedar policy. No I/O, no clock.

Cedar knows yes and no, and loaner needs a third answer: *ask a person*. So the same call is put up to three times:
as it is, then as if the person had approved it (``context.approved``), then as if they had approved these very
arguments (``context.approved_exactly``). The first yes decides. A rule says "ask" by requiring one of the two, and
``forbid`` keeps its meaning: what is forbidden is not even asked about.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import cedarpy

from loaner.catalog.operation import BoundCall
from loaner.identity.caller import Caller
from loaner.policy.literals import UnreachableRule
from loaner.policy.rules import Rule, Rules
from loaner.policy.ruling import Allowed, Ask, Refused, Ruling
from loaner.scope import Scope

_ADVICE = "An operator decides that. Tell the user which rule it was."


@dataclass(frozen=True)
class CedarPolicy:
    """A policy that was read and validated. Deciding costs well under a millisecond."""

    rules: Rules
    read_only: bool = False
    warnings: tuple[UnreachableRule, ...] = ()
    """What its rules name and no call can be about."""
    protected: frozenset[str] = frozenset()
    """Providers of which its rules tell one resource from another."""
    by_id: frozenset[str] = frozenset()
    """Those of which they do so by the provider's own id."""
    by_argument: frozenset[str] = frozenset()
    """Those of which they look at arguments that name such a thing."""

    @property
    def version(self) -> str:
        return self.rules.version

    def rule(self, caller: Caller, bound: BoundCall, scope: Scope, at: datetime, *, task: str | None = None) -> Ruling:
        """Rule on one call, of its resource and of whatever it reaches into besides: the strictest counts. What Cedar
        cannot answer cleanly is refused."""
        others = [
            replace(
                scope,
                resource=one.resource,
                wider=one.wider,
                around=one.around,
                narrower="",
                ids={one.resource: one.id} if one.id else {},
            )
            for one in scope.beside
        ]
        return max((self._ruled(caller, bound, one, at, task) for one in (scope, *others)), key=_strictness)

    def _ruled(self, caller: Caller, bound: BoundCall, scope: Scope, at: datetime, task: str | None) -> Ruling:
        if self._cannot_tell(bound, scope):
            reason = f"{bound.operation.tool} does not say which resource its results are of, and rules name some."
            return Refused("unnamed-results", reason, do=_ADVICE)
        call = _Call(caller, bound, scope, at, task, self.read_only)
        answer = None
        for approved, exactly in ((False, False), (True, False), (True, True)):
            answer = self._answer(call, approved=approved, exactly=exactly)
            if answer.diagnostics.errors:
                # Cedar passes over a rule that fails, and one that was passed over might have been a "forbid".
                return Refused("policy-error", "the policy cannot be evaluated for this call.", do=_ADVICE)
            if answer.decision is cedarpy.Decision.Allow:
                return self._permitted(bound, self._named(answer), approved=approved, exactly=exactly)
            if answer.decision is not cedarpy.Decision.Deny:
                return Refused("policy-error", "the policy gave no answer to this call.", do=_ADVICE)
        return self._refused(bound, self._named(answer) if answer else [])

    def admits(
        self, caller: Caller, bound: BoundCall, scope: Scope, at: datetime, ruling: Ruling, *, task: str | None = None
    ) -> bool:
        """May what the answer to a call says about another resource, ``scope``, be seen? ``ruling``: the call's.

        As if the tool had been called for that resource alone: what is refused, or would have been asked about where
        the call itself was not, is no part of the answer.
        """
        provider = bound.operation.provider
        if scope.provider in self.by_id and scope.resource_kind in provider.ids and not _id_of(bound, scope):
            return False  # it may be the one that a rule forbids
        other = self._ruled(caller, bound, scope, at, task)
        if isinstance(other, Ask):
            return isinstance(ruling, Ask) and ruling.exact >= other.exact
        return isinstance(other, Allowed)

    def _cannot_tell(self, bound: BoundCall, scope: Scope) -> bool:
        """Does it read all of an account, without a word on what each result is of, where the rules tell that apart?"""
        everything = ":" not in scope.resource and bound.operation.effect == "read"
        return everything and scope.provider in self.protected and not bound.operation.result.tells_of

    def _answer(self, call: _Call, *, approved: bool, exactly: bool) -> cedarpy.AuthzResult:
        request, entities = call.put(approved=approved, exactly=exactly)
        return cedarpy.is_authorized(request, self.rules.parsed, entities, self.rules.schema)

    def _permitted(self, bound: BoundCall, by: list[Rule], *, approved: bool, exactly: bool) -> Ruling:
        first, effect = by[0], bound.operation.effect
        reason = first.reason or f"rule at {first.where}"
        if not approved and effect != "destructive":
            return Allowed(first.name, reason)
        # Whatever the rules say: nothing is destroyed without a person who saw exactly what.
        return Ask(first.name, reason, exact=exactly or effect != "write")

    def _refused(self, bound: BoundCall, forbidding: list[Rule]) -> Refused:
        tool, effect = bound.operation.tool, bound.operation.effect
        if not forbidding:
            return Refused("no-rule-allows-it", f"no rule allows {tool} here.", do=_ADVICE)
        first = forbidding[0]
        reason = first.reason or f"{tool} is forbidden."
        return Refused(first.name, f"{tool} is a {effect}: {reason} ({first.where})", do=_ADVICE)

    def _named(self, answer: cedarpy.AuthzResult) -> list[Rule]:
        return self.rules.of(answer.diagnostics.reasons)


@dataclass(frozen=True)
class _Call:
    caller: Caller
    bound: BoundCall
    scope: Scope
    at: datetime
    task: str | None
    read_only: bool

    def put(self, *, approved: bool, exactly: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The call as a Cedar request, and the two entities it is about."""
        who = {"type": "Person", "id": self.caller.subject.key}
        what = {"type": "Resource", "id": self.scope.resource}
        agent = self.caller.agent
        context = {
            "agent": {"name": agent.name, "verified": agent.verified, "kind": agent.kind, "issuer": agent.issuer},
            "environment": self.caller.environment,
            "now": {"__extn": {"fn": "datetime", "arg": _cedar_time(self.at)}},
            "read_only": self.read_only,
            "approved": approved,
            "approved_exactly": exactly,
            "arguments": _json(self.bound),
            **({"task": self.task} if self.task else {}),
        }
        person = {"issuer": self.caller.subject.issuer, "sub": self.caller.subject.sub}
        resource = {
            "provider": self.scope.provider,
            "kind": self.scope.resource_kind,
            "name": self.scope.resource_name,
        }
        if known := _id_of(self.bound, self.scope):
            resource["id"] = known
        wider = (*((self.scope.wider,) if self.scope.wider else ()), *self.scope.around)
        around = [{"type": "Resource", "id": one} for one in dict.fromkeys(wider)]
        request = {
            "principal": who,
            "action": {"type": "Action", "id": self.bound.operation.tool},
            "resource": what,
            "context": json.dumps(context),
        }
        whole = {"uid": what, "attrs": resource, "parents": around}
        return request, [{"uid": who, "attrs": person, "parents": []}, whole]


def _strictness(ruling: Ruling) -> int:
    return 3 if isinstance(ruling, Refused) else 1 + ruling.exact if isinstance(ruling, Ask) else 0


def _id_of(bound: BoundCall, scope: Scope) -> str:
    return scope.resource_id or bound.operation.provider.id_in(scope.resource)


def _json(bound: BoundCall) -> dict[str, Any]:
    """The arguments as the catalogue checked and bounded them. Whole: a shortened one could hide what is forbidden.
    A number that is to be cleared is none."""
    numbers = {name for name, param in bound.operation.params.items() if param.type == "integer"}
    return {name: _plain(value) for name, value in bound.arguments.items() if not (name in numbers and value == "")}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return [f"{name}={text}" for name, text in value.items()]
    return list(value) if isinstance(value, tuple) else value


def _cedar_time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
