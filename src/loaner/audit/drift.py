"""Drift: a provider names another permission than ours, or does not take our request as it is at all, so the connector
is wrong or the provider changed.

Noticed on any answer and written beside the calls, never in their way: once for each operation and named set.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import anyio
import structlog
from sqlalchemy import Connection, select

from loaner.background import every
from loaner.catalog import BoundCall
from loaner.clock import Now
from loaner.errors import LoanerError
from loaner.provider_call import Answer
from loaner.provider_call.named import AcceptedPermissions, named
from loaner.provider_call.verdict import judge
from loaner.scope import Scope
from loaner.store import Store
from loaner.store.tables import drifts

log = structlog.get_logger(__name__)
Kind = Literal["less", "more", "request"]
"""We ask for less than the provider says that it needs, or for more; or our request is not one that it takes."""
_WAITING = 64


@dataclass(frozen=True)
class Drift:
    """One difference. ``named`` is in words: ``issues:write or pull_requests:write``; of a request, the error word."""

    tool: str
    kind: Kind
    ours: str
    named: str
    source: str
    connector: str | None = None
    first_at: datetime | None = None

    @property
    def id(self) -> str:
        return hashlib.sha256(f"{self.tool}\n{self.kind}\n{self.named}".encode()).hexdigest()[:32]


def compare(bound: BoundCall, scope: Scope, said: AcceptedPermissions) -> Drift | None:
    """``None`` where one of the ways in is ours, or is one that our table of cases knows."""
    operation, provider = bound.operation, bound.operation.provider
    # What other calls of this operation may ask for is known to us: a case, not a surprise.
    ours = scope.permissions | provider.always
    known = ours.union(operation.scope.permissions, *scope.alternatives)
    known = known.union(*(case.permissions for case in operation.scope.cases()))
    kind: Kind
    if not any(provider.covers(known, way) for way in said.ways):
        kind = "less"
    elif said.exact and _is_one_request(bound) and not any(_is_exactly(bound, scope, way) for way in said.ways):
        kind = "more"
    else:
        return None
    ways = " or ".join(sorted(_words(way) for way in said.ways))
    return Drift(operation.tool, kind, _words(scope.permissions), ways, operation.source)


def _outdated(bound: BoundCall, answer: Answer) -> Drift | None:
    verdict = judge(answer, bound.operation.provider)
    if verdict is None or verdict.code != "outdated":
        return None
    return Drift(bound.operation.tool, "request", bound.operation.request, verdict.word, bound.operation.source)


def _is_one_request(bound: BoundCall) -> bool:
    return len(bound.plan()) == 1


def _is_exactly(bound: BoundCall, scope: Scope, way: frozenset[str]) -> bool:
    provider = bound.operation.provider
    sets = (scope.permissions, *scope.alternatives)
    known = frozenset[str]().union(*(case.permissions for case in bound.operation.scope.cases()))
    asked = way | provider.always | bound.operation.rule.in_words
    return any(not provider.excess(ours, asked) for ours in sets) or bool(known & way)


def _words(permissions: frozenset[str]) -> str:
    return ", ".join(sorted(permissions)) or "none"


class Drifts:
    """Notices, keeps and lists drift."""

    def __init__(self, store: Store, now: Now) -> None:
        self.store = store
        self.now = now
        self._seen: set[str] = set()
        self._noticed: deque[Drift] = deque()
        self._more = anyio.Event()
        self._writing = anyio.Lock()

    def look(self, bound: BoundCall, scope: Scope, connector: str, answer: Answer) -> None:
        """Compare one answer with what the call asked for. Costs the call a few microseconds and never fails it."""
        try:
            said = named(answer, bound.operation.provider)
            drift = compare(bound, scope, said) if said else _outdated(bound, answer)
        except Exception:
            log.exception("an answer could not be compared with its scope", tool=bound.operation.tool)
            return
        if drift and drift.id not in self._seen and len(self._noticed) < _WAITING:
            self._seen.add(drift.id)
            self._noticed.append(replace(drift, connector=connector, first_at=self.now()))
            self._more.set()

    async def run(self) -> None:
        """Write down what was noticed, until cancelled; then what still waits."""
        try:
            await every(self._until_noticed, self.settled, what="writing down what was noticed", at_once=False)
        finally:
            with anyio.CancelScope(shield=True):
                await self.settled()

    async def _until_noticed(self) -> None:
        await self._more.wait()
        self._more = anyio.Event()

    async def settled(self) -> None:
        """Write down everything noticed so far."""
        async with self._writing:
            while self._noticed:
                await self._take(self._noticed.popleft())

    async def _take(self, drift: Drift) -> None:
        log.warning("a provider differs from our connector", tool=drift.tool, kind=drift.kind, named=drift.named)
        try:
            await self.store.write(lambda c: _keep(c, drift))
        except LoanerError as failure:
            self._seen.discard(drift.id)  # the next call will see it again
            log.warning("drift could not be written down", tool=drift.tool, reason=failure.log)

    async def all(self) -> list[Drift]:
        """Every difference ever noticed, by tool."""
        return await self.store.read(_all)


def _keep(connection: Connection, drift: Drift) -> None:
    if connection.execute(select(drifts.c.id).where(drifts.c.id == drift.id)).first() is None:
        values = {name: getattr(drift, name) for name in Drift.__dataclass_fields__}
        connection.execute(drifts.insert().values(id=drift.id, **values))


def _all(connection: Connection) -> list[Drift]:
    rows = connection.execute(select(drifts).order_by(drifts.c.tool, drifts.c.first_at)).all()
    return [Drift(**{name: getattr(row, name) for name in Drift.__dataclass_fields__}) for row in rows]
