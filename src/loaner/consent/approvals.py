"""Approvals: what a person allowed this agent to do through loaner. Enforced here, by one atomic statement.

An approval of exact arguments carries their digest; a wider one carries none and covers any arguments of the same
operation on the same resource. Neither ever serves another person, agent, environment, connector or policy.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select, update

from loaner.consent.envelope import is_about, plain_value
from loaner.store.tables import approvals


@dataclass(frozen=True)
class Call:
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
    names: tuple[str, ...] = ()
    """All that a task may call the resource by, the narrowest first."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    task: str | None = None
    """The one task that its host bound the call to. Besides it, only a yes to exactly this call counts."""


@dataclass(frozen=True)
class Approval:
    id: str
    subject: str
    agent: str
    environment: str
    operations: tuple[str, ...]
    resources: tuple[str, ...]
    digest: str | None
    task: str | None
    fixed: Mapping[str, Any] | None
    uses_left: int
    proven_by: str
    phrase: str
    created_at: datetime
    expires_at: datetime

    def fits(self, call: Call) -> bool:
        """Is the call's tool, resource and what is fixed of its arguments within this approval?"""
        given = {name: plain_value(value) for name, value in call.arguments.items()}
        fixed = all(given.get(name) == value for name, value in (self.fixed or {}).items())
        about = is_about(self.resources, call.names) if self.task else call.resource in self.resources
        bound = call.task in {None, self.task} or self.digest == call.digest
        return call.operation in self.operations and about and fixed and bound


def make(
    connection: Connection, call: Call, *, uses: int, proven_by: str, phrase: str, at: datetime, until: datetime
) -> str:
    """Store an approval and return its id. It is exact when ``call.exact``. Inside the caller's transaction."""
    if uses < 1 or until <= at:
        # An approval that never counts, or one that never ends by a slip of a sign, must not be storable.
        raise ValueError("an approval needs at least one use and a future end")
    approval_id = secrets.token_hex(16)
    connection.execute(
        approvals.insert().values(
            id=approval_id,
            subject=call.subject,
            agent=call.agent,
            environment=call.environment,
            connector=call.connector,
            operations=[call.operation],
            resources=[call.resource],
            digest=call.digest if call.exact else None,
            uses_left=uses,
            policy_version=call.policy_version,
            proven_by=proven_by,
            phrase=phrase,
            created_at=at,
            expires_at=until,
        )
    )
    return approval_id


def matching(connection: Connection, call: Call, at: datetime) -> Approval | None:
    """An approval that would allow this call, the narrowest first; nothing is used up."""
    return next(iter(_matching(connection, call, at)), None)


def consume(connection: Connection, call: Call, at: datetime) -> Approval | None:
    """Take one use of a fitting approval, or ``None``. Of any number of takers of the last use one succeeds."""
    for approval in _matching(connection, call, at):
        taken = connection.execute(
            update(approvals)
            .where(approvals.c.id == approval.id, *alive_in(at))
            .values(uses_left=approvals.c.uses_left - 1)
        )
        if taken.rowcount == 1:
            return approval
    return None


def give_back_use(connection: Connection, approval_id: str) -> None:
    """Undo one :func:`consume`, for a call that provably never reached the provider."""
    connection.execute(
        update(approvals)
        .where(approvals.c.id == approval_id, approvals.c.ended_at.is_(None))
        .values(uses_left=approvals.c.uses_left + 1)
    )


def end(connection: Connection, approval_id: str, subject: str, at: datetime) -> bool:
    """End an approval of this person; whether there was one to end."""
    ended = update(approvals).where(
        approvals.c.id == approval_id, approvals.c.subject == subject, approvals.c.ended_at.is_(None)
    )
    return connection.execute(ended.values(ended_at=at)).rowcount == 1


def all_of(connection: Connection, subject: str, at: datetime) -> list[Approval]:
    """What this person's agents may still do, tasks aside, the newest first."""
    query = select(approvals).where(approvals.c.subject == subject, approvals.c.task.is_(None), *alive_in(at))
    return [_approval(row) for row in connection.execute(query.order_by(approvals.c.created_at.desc()))]


def rows_of(connection: Connection, *where: ColumnElement[bool]) -> list[Approval]:
    return [_approval(row) for row in connection.execute(select(approvals).where(*where).order_by(approvals.c.id))]


def _matching(connection: Connection, call: Call, at: datetime) -> list[Approval]:
    same_arguments = approvals.c.digest == call.digest
    fits = and_(
        approvals.c.subject == call.subject,
        approvals.c.agent == call.agent,
        approvals.c.environment == call.environment,
        approvals.c.connector == call.connector,
        approvals.c.policy_version == call.policy_version,
        same_arguments if call.exact else or_(same_arguments, approvals.c.digest.is_(None)),
    )
    rows = connection.execute(
        select(approvals).where(fits, *alive_in(at)).order_by(approvals.c.digest.is_(None), approvals.c.expires_at)
    )
    return [one for one in map(_approval, rows) if one.fits(call)]


def alive_in(at: datetime) -> tuple[ColumnElement[bool], ...]:
    return (approvals.c.uses_left > 0, approvals.c.ended_at.is_(None), approvals.c.expires_at > at)


def _approval(row: Row[tuple[object, ...]]) -> Approval:
    values = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    lists = {"operations": tuple(values["operations"]), "resources": tuple(values["resources"])}
    return Approval(**{name: lists.get(name, values[name]) for name in Approval.__dataclass_fields__})
