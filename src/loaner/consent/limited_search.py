"""A search of all, where the person agreed to read some of it: it is about that alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from loaner.catalog import BoundCall
from loaner.consent import approvals
from loaner.consent.approvals import ApprovableCall, Approval
from loaner.store import Store

MOST_PLACES = 25
"""Repositories that one search names; its query has a longest length."""


@dataclass(frozen=True)
class Limited:
    """What a search of all is about, and by whose word."""

    approval: Approval
    only: tuple[str, ...]
    agreed: int
    """Repositories that were agreed to altogether: those of other accounts, and those beyond the most, are left out."""
    ids: Mapping[str, str]
    """Of all of them, by their resource; or of none: a credential is for ids or for names."""


async def limited(store: Store, bound: BoundCall, call: ApprovableCall, at: datetime) -> Limited | None:
    """The repositories that were agreed to, where the search's query and its credential can both be limited to them.
    A credential is of one account, and for ids or for names, so it is the one of which most were agreed to."""
    operation = bound.operation
    if ":" in call.resource or not operation.can_be_limited or operation.provider.limits.resource != "provider":
        return None
    return _of_one_account(await store.read(lambda c: approvals.read_elsewhere(c, call, at)), bound.scope.account)


def _of_one_account(agreed: Sequence[Approval], account: str) -> Limited | None:
    """The repositories of one account that a search of all may be about, and an approval that says so. ``account``:
    the one that the call names."""
    by_name: dict[str, Approval] = {}
    for approval in sorted(agreed, key=lambda one: one.created_at):
        for resource in approval.resources:
            kind, _, name = resource.partition(":")
            # The last word of a person about a name; but none that leaves open which thing it is, after one that says.
            if kind == "repository" and (resource in approval.ids or name not in by_name):
                by_name[name] = approval
    alike: dict[tuple[str, bool], dict[str, Approval]] = defaultdict(dict)
    for name, approval in by_name.items():
        owner = name.partition("/")[0]
        if account in {"", owner}:
            alike[owner, _resource(name) in approval.ids][name] = approval
    if not alike:
        return None
    (_, known), found = max(alike.items(), key=lambda one: (len(one[1]), one[0][1], min(one[1])))
    names = tuple(sorted(found)[:MOST_PLACES])
    ids = {_resource(name): found[name].ids[_resource(name)] for name in names} if known else {}
    return Limited(found[names[0]], names, sum(map(len, alike.values())), ids)


def _resource(name: str) -> str:
    return f"repository:{name}"
