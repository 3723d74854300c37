"""A search of all, where the person agreed to read some of it: it is about that alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from loaner.catalog import BoundCall
from loaner.consent import approvals
from loaner.consent.approvals import Approval, Call
from loaner.scope import derive
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


async def limited(store: Store, bound: BoundCall, call: Call, at: datetime) -> Limited | None:
    """The repositories that were agreed to, where the search's query and its credential can both be limited to them.
    A credential is of one account, so it is the one of which most were agreed to."""
    operation = bound.operation
    if ":" in call.resource or not operation.can_be_limited or operation.provider.limits.resource != "provider":
        return None
    return _of_one_account(await store.read(lambda c: approvals.read_elsewhere(c, call, at)), derive(bound).account)


def _of_one_account(agreed: Sequence[Approval], account: str) -> Limited | None:
    """The repositories of one account that a search of all may be about, and an approval that says so. ``account``:
    the one that the call names."""
    by_owner: dict[str, dict[str, Approval]] = defaultdict(dict)
    for approval in agreed:
        for resource in approval.resources:
            kind, _, name = resource.partition(":")
            if kind == "repository":
                by_owner[name.partition("/")[0]].setdefault(name, approval)
    if account:
        by_owner = {owner: names for owner, names in by_owner.items() if owner == account}
    if not by_owner:
        return None
    found = max(by_owner.values(), key=lambda names: (len(names), min(names)))
    names = tuple(sorted(found)[:MOST_PLACES])
    return Limited(found[names[0]], names, sum(map(len, by_owner.values())))
