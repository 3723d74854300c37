"""A call that no approval names, and that is agreed to all the same: by other places, or by another name of its own."""

from __future__ import annotations

from dataclasses import dataclass

from loaner.clock import Now
from loaner.consent import approvals, limited_search
from loaner.consent.alias import NamedCall
from loaner.consent.consent import by_approval
from loaner.consent.known import Look
from loaner.consent.tasks import stored
from loaner.consent.tasks.stored import Task
from loaner.grants.consent import Consent
from loaner.grants.grants import Grant
from loaner.policy import Allowed, Ruling
from loaner.store import Store


@dataclass(frozen=True)
class OtherNames:
    store: Store
    now: Now

    async def consent(
        self, named: NamedCall, grant: Grant, ruling: Ruling, running: list[Task], look: Look | None
    ) -> Consent | None:
        """By what was agreed to of other places, for a search; in a task, by another name of one of its resources."""
        at, call = self.now(), named.call
        if isinstance(ruling, Allowed) and not running:
            limited = await limited_search.limited(self.store, named.bound, call, at)
            if limited is None:
                return None
            return by_approval(
                limited.approval, grant, ruling.rule, only=limited.only, agreed=limited.agreed, ids=limited.ids
            )
        if look is None or call.effect == "read" or not named.may_have_another:
            return None  # a read that is outside of the task sends nothing before its person agrees
        parts = await self.store.read(lambda c: [part for one in running for part in stored.items(c, one.id, at)])
        lone = Consent(grant, None, ruling.rule, None)
        known = await look(lone) if any(call.operation in part.operations for part in parts) else None
        if known is None:
            return None
        call = named.canonical(known).call
        inside = await self.store.write(lambda c: approvals.consume(c, call, self.now()))
        return by_approval(inside, grant, ruling.rule, ids=known.ids) if inside else None
