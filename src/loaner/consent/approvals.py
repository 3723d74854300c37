"""Approvals: what a person allowed this agent to do through loaner. Enforced here, by one atomic statement.

An approval of exact arguments carries their digest; a wider one carries none and covers any arguments of the same
operation on the same resource. It carries the permissions that were shown too, and serves no call that needs more.
None ever serves another person, agent, environment, connector or policy, and one without a valid tag serves nobody.

A *reading approval* (``effect`` is ``read``) covers what its connector's read operations do on its resources:

- ``operations`` names single tools; empty, it is every read operation;
- ``resources`` may hold ``*``: everything that the person can see;
- ``agent`` may be ``*``: every agent of the person;
- ``permissions`` is null: whatever its reads need; a list bounds them as it bounds every other approval;
- ``uses_left`` is null: not counted;
- it counts for nothing where a task binds the agent, since the task says what may be read.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select

from loaner.consent.tasks.scope import plain_value
from loaner.scope import ANYTHING, is_about
from loaner.store import tags
from loaner.store.tables import approvals

ANY_AGENT = "*"
READ = "read"


@dataclass(frozen=True)
class ApprovableCall:
    """The call that an approval has to fit, in the values that are compared."""

    subject: str
    agent: str
    """``Agent.key``, so that a reported name never equals a verified one."""
    environment: str
    connector: str
    operation: str
    resource: str
    digest: str
    policy_version: str
    exact: bool
    """Only an approval of exactly these arguments will do."""
    permissions: frozenset[str] = frozenset()
    """What it needs at least."""
    alternatives: tuple[frozenset[str], ...] = ()
    """What would do as well, and is shown to the person beside it."""
    ids: Mapping[str, str] = field(default_factory=dict)
    """The provider's ids of its resources, by canonical name, as far as they are known."""
    effect: str = ""
    """``read``, ``write`` or ``destructive``."""
    names: tuple[str, ...] = ()
    """All that a task may call the resource by, the narrowest first."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    task: str | None = None
    """The one task that its host bound the call to. Besides it, only a yes to exactly this call counts."""
    rings: frozenset[str] = frozenset()
    """Parameters whose texts notify many: what allows any text does not allow these."""
    leads_out: frozenset[str] = frozenset()
    """Arguments that reach out of what contains its resource: what allows any does not allow these."""
    in_task: bool = False
    """A task binds the agent, so a reading approval counts for nothing."""


@dataclass(frozen=True)
class Approval:
    id: str
    subject: str
    agent: str
    environment: str
    connector: str
    operations: tuple[str, ...]
    resources: tuple[str, ...]
    digest: str | None
    task: str | None
    fixed: Mapping[str, Any] | None
    effect: str | None
    permissions: tuple[frozenset[str], ...] | None
    """The sets that the person was shown. ``None`` is no bound for a reading approval, and covers nothing otherwise."""
    ids: Mapping[str, str]
    uses_left: int | None
    proven_by: str
    phrase: str
    created_at: datetime
    expires_at: datetime

    def fits(self, call: ApprovableCall) -> bool:
        """Is all of the call within this approval: tool, resource and its id, permissions, what is fixed?"""
        return (
            (self._reads(call) if self.effect else self._names(call))
            and self.covers(call.permissions)
            and all(self.ids.get(name, known) == known for name, known in call.ids.items())
        )

    def covers(self, permissions: frozenset[str]) -> bool:
        """Was as much as this shown to the person?"""
        if self.permissions is None:
            return self.effect == READ
        return any(permissions <= shown for shown in self.permissions)

    def _names(self, call: ApprovableCall) -> bool:
        given = {name: plain_value(value) for name, value in call.arguments.items()}
        fixed = all(given.get(name) == value for name, value in (self.fixed or {}).items())
        about = is_about(self.resources, call.names) if self.task else call.resource in self.resources
        bound = call.task in {None, self.task} or self.digest == call.digest
        bound = bound and (self.digest == call.digest or call.rings | call.leads_out <= set(self.fixed or ()))
        return call.operation in self.operations and about and fixed and bound and self.agent == call.agent

    def _reads(self, call: ApprovableCall) -> bool:
        reads = self.effect == READ == call.effect and not call.in_task and call.task is None
        about = is_about(self.resources, (call.resource, *call.names))
        return reads and about and (not self.operations or call.operation in self.operations)


def make(
    connection: Connection,
    call: ApprovableCall,
    *,
    uses: int,
    proven_by: str,
    phrase: str,
    at: datetime,
    until: datetime,
) -> str:
    """Store an approval and return its id. It is exact when ``call.exact``. Inside the caller's transaction."""
    if uses < 1 or until <= at:
        # An approval that never counts, or one that never ends by a slip of a sign, must not be storable.
        raise ValueError("an approval needs at least one use and a future end")
    approval_id = secrets.token_hex(16)
    add(
        connection,
        id=approval_id,
        subject=call.subject,
        agent=call.agent,
        environment=call.environment,
        connector=call.connector,
        operations=[call.operation],
        resources=list(dict.fromkeys((call.resource, *call.ids))),  # the ids are those of its other names
        digest=call.digest if call.exact else None,
        permissions=[sorted(one) for one in (call.permissions, *call.alternatives)],
        ids=dict(call.ids),
        uses_left=uses,
        policy_version=call.policy_version,
        proven_by=proven_by,
        phrase=phrase,
        created_at=at,
        expires_at=until,
    )
    return approval_id


def add(connection: Connection, **columns: Any) -> None:
    """Store one approval with its tag: the only way into the table."""
    tags.add(connection, approvals, columns)


def matching(connection: Connection, call: ApprovableCall, at: datetime) -> Approval | None:
    """An approval that would allow this call, the narrowest first; nothing is used up."""
    return next(iter(_matching(connection, call, at)), None)


def consume(connection: Connection, call: ApprovableCall, at: datetime) -> Approval | None:
    """Take one use of a fitting approval, or ``None``. Of any number of takers of the last use one succeeds."""
    for approval in _matching(connection, call, at):
        if approval.uses_left is None:
            return approval  # not counted, so nothing is written
        same = and_(approvals.c.id == approval.id, *alive_in(at))
        if tags.change(connection, approvals, same, uses_left=approval.uses_left - 1) == 1:
            return approval
    return None


def pin(connection: Connection, approval_id: str, ids: Mapping[str, str]) -> bool:
    """Tie an approval to the things that its names mean today; ``False`` where one means another than before.

    A task was agreed to as a whole: what a name means to one of its tools, it means to all.
    """
    found = rows_of(connection, approvals.c.id == approval_id)
    if found and ANYTHING in found[0].resources:
        return True
    if found and found[0].task:
        found = rows_of(connection, approvals.c.task == found[0].task, approvals.c.connector == found[0].connector)
    if not found or any(one.ids.get(name, known) != known for one in found for name, known in ids.items()):
        return False
    return all(
        tags.change(connection, approvals, approvals.c.id == one.id, ids={**one.ids, **ids}) == 1
        for one in found
        if not set(ids) <= set(one.ids)
    )


def give_back_use(connection: Connection, approval_id: str) -> None:
    """Undo one :func:`consume`, for a call that provably never reached the provider."""
    mine = and_(approvals.c.id == approval_id, approvals.c.ended_at.is_(None), approvals.c.uses_left.is_not(None))
    if found := rows_of(connection, mine):
        tags.change(connection, approvals, mine, uses_left=(found[0].uses_left or 0) + 1)


def end(connection: Connection, approval_id: str, subject: str, at: datetime) -> bool:
    """End an approval of this person; whether there was one to end."""
    mine = and_(approvals.c.id == approval_id, approvals.c.subject == subject)
    return end_all(connection, mine, at) == 1


def end_all(connection: Connection, which: ColumnElement[bool], at: datetime) -> int:
    """End approvals; how many. What carries no valid tag counted for nothing before."""
    return tags.change(connection, approvals, and_(which, approvals.c.ended_at.is_(None)), ended_at=at)


def all_of(connection: Connection, subject: str, at: datetime) -> list[Approval]:
    """What this person's agents may still do, tasks aside, the newest first."""
    mine = (approvals.c.subject == subject, approvals.c.task.is_(None), *alive_in(at))
    return _read(connection, *mine, by=approvals.c.created_at.desc())


def read_elsewhere(connection: Connection, call: ApprovableCall, at: datetime) -> list[Approval]:
    """The reading approvals that would allow this call, were it about their resources."""
    if call.effect != READ or call.in_task or call.task is not None:
        return []
    mine = _read(connection, *_of(call), approvals.c.effect == READ, *alive_in(at), by=approvals.c.created_at)
    return [one for one in mine if not one.operations and one.covers(call.permissions)]


def any_of(connection: Connection, subject: str, agent: str) -> bool:
    """Did this person ever allow this agent anything?"""
    mine = and_(approvals.c.subject == subject, approvals.c.agent == agent)
    return connection.execute(select(approvals.c.id).where(mine).limit(1)).first() is not None


def rows_of(connection: Connection, *where: ColumnElement[bool]) -> list[Approval]:
    return _read(connection, *where, by=approvals.c.id)


def _matching(connection: Connection, call: ApprovableCall, at: datetime) -> list[Approval]:
    same_arguments = approvals.c.digest == call.digest
    fits = and_(
        *_of(call),
        same_arguments if call.exact else or_(same_arguments, approvals.c.digest.is_(None)),
    )
    # The narrowest first, and of two as wide the one that costs no write.
    order = (approvals.c.digest.is_(None), approvals.c.uses_left.is_not(None), approvals.c.expires_at)
    return [one for one in _read(connection, fits, *alive_in(at), by=order) if one.fits(call)]


def _of(call: ApprovableCall) -> tuple[ColumnElement[bool], ...]:
    """Whose approvals may count for this call at all."""
    return (
        approvals.c.subject == call.subject,
        approvals.c.agent.in_((call.agent, ANY_AGENT)),
        approvals.c.environment == call.environment,
        approvals.c.connector == call.connector,
        approvals.c.policy_version == call.policy_version,
    )


def alive_in(at: datetime) -> tuple[ColumnElement[bool], ...]:
    counts = or_(approvals.c.uses_left > 0, approvals.c.uses_left.is_(None))
    return (counts, approvals.c.ended_at.is_(None), approvals.c.expires_at > at)


def _read(connection: Connection, *where: ColumnElement[bool], by: Any) -> list[Approval]:
    query = select(approvals).where(*where).order_by(*(by if isinstance(by, tuple) else (by,)))
    return [_approval(row) for row in tags.sound(connection, approvals, connection.execute(query))]


def _approval(row: Row[tuple[object, ...]]) -> Approval:
    values = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    shown = values["permissions"]
    made: dict[str, Any] = {
        "operations": tuple(values["operations"]),
        "resources": tuple(values["resources"]),
        "permissions": None if shown is None else tuple(frozenset(one) for one in shown),
        "ids": values["ids"] or {},
    }
    return Approval(**{name: made.get(name, values[name]) for name in Approval.__dataclass_fields__})
