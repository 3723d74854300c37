"""Which thing is it that a call names? How to find that out, with the least that this alone takes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from loaner.catalog.identify import Identify
from loaner.catalog.lookup import Lookup
from loaner.catalog.operation import BoundCall
from loaner.scope import Limit, Scope


@dataclass(frozen=True)
class Looking:
    """One look-up of one resource: by its id or name (``identify``), or in the list of all (``lookup``)."""

    bound: BoundCall
    """The look alone: a read, whatever the call itself is."""
    scope: Scope
    identify: Identify | None
    lookup: Lookup | None


def looking(bound: BoundCall, scope: Scope) -> Looking | None:
    """How to find out what the resource of this call is; ``None`` where nothing can be asked, or nothing has to be."""
    identify = bound.operation.provider.identifies(scope.resource)
    lookup = None if identify else _listed(bound, scope.resource_name)
    if identify:
        step = identify.step
    elif lookup:
        step = lookup.steps[0]
    else:
        return None
    read = replace(bound.operation, effect="read", idempotent=True, params={}, steps=(step,), page=None)
    return Looking(
        BoundCall(read, bound.arguments, bound.written), _least(bound, scope, identify, lookup), identify, lookup
    )


def permissions_of(bound: BoundCall, lookup: Lookup) -> frozenset[str]:
    """What a look into that list takes; the usual, where the call does not say which part of it."""
    says = set(lookup.scope.named_params()) <= set(bound.arguments)
    return lookup.permissions_for(bound.arguments) if says else lookup.usual


def _listed(bound: BoundCall, name: str) -> Lookup | None:
    operation = bound.operation
    for each, param in operation.params.items():
        listed = param.lookup or param.check
        if param.role == "resource" and listed and bound.arguments.get(each) == name:
            lookup = operation.provider.lookups[listed]
            return lookup if lookup.needed(name) else None
    return None


def _least(bound: BoundCall, scope: Scope, identify: Identify | None, lookup: Lookup | None) -> Scope:
    provider = bound.operation.provider
    if identify and identify.lookup:
        lookup = provider.lookups[identify.lookup]
    needed = (lookup and permissions_of(bound, lookup)) or provider.always
    limits = tuple(
        replace(one, value=", ".join(sorted(needed))) if one.what == "permissions" else one for one in scope.limits
    ) or (Limit("permissions", ", ".join(sorted(needed)), provider.limits.permissions),)
    return replace(scope, permissions=needed, alternatives=(), limits=limits, narrower="", ids={}, only=())
