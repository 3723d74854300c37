"""Tasks that were agreed to, as rows: an approval for each of a task's tools, and one row that they end with.

While a task runs, *every* call of its agent is counted against it, reads too: an injected call derives its own least
scope like any other, and only what was agreed beforehand tells it apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, or_, select

from loaner.catalog.mentions import NOBODY, NOTIFIES
from loaner.consent.approvals import ApprovableCall, Approval, add, alive_in, end_all, rows_of
from loaner.consent.tasks.scope import TaskScope
from loaner.scope import is_about
from loaner.store import tags
from loaner.store.tables import approvals, tasks


@dataclass(frozen=True)
class Task:
    id: str
    subject: str
    agent: str
    environment: str
    purpose: str
    need: str
    source: str
    """Who proposed it: the ``agent``, the ``host`` in its settings, or an ``issuer`` that signed it."""
    policy_version: str
    proven_by: str
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    """It was ended before its time: nothing more can be done with it, and what it demanded may still hold."""


@dataclass(frozen=True)
class Holder:
    """Whose task it is. Another person, agent, environment or policy has none of it."""

    subject: str
    agent: str
    environment: str
    policy_version: str


_REPORTED = "reported "
"""How the key of an agent begins whose name nobody vouches for."""

# Built once: it runs in every call.
_HELD = (
    select(tasks)
    .where(
        *(tasks.c[name] == bindparam(name) for name in Holder.__dataclass_fields__),
        tasks.c.ended_at.is_(None),
        tasks.c.expires_at > bindparam("at"),
    )
    .order_by(tasks.c.created_at.desc())
)


def make(
    connection: Connection,
    task_id: str,
    holder: Holder,
    task_scope: TaskScope,
    *,
    source: str,
    proven_by: str,
    need: str,
    at: datetime,
    no_later: datetime | None = None,
) -> Task:
    """Store an agreed task, that ends after its minutes and ``no_later``. Inside the caller's transaction."""
    ends = at + timedelta(minutes=task_scope.minutes)
    ends = min(ends, no_later) if no_later else ends
    shared: dict[str, Any] = {
        "subject": holder.subject,
        "agent": holder.agent,
        "environment": holder.environment,
        "policy_version": holder.policy_version,
        "proven_by": proven_by,
        "created_at": at,
        "expires_at": ends,
    }
    tags.add(
        connection, tasks, {"id": task_id, "purpose": task_scope.purpose, "need": need, "source": source, **shared}
    )
    for number, item in enumerate(task_scope.items):
        add(
            connection,
            id=f"{task_id[:29]}-{number:02}",
            task=task_id,
            connector=item.connector,
            operations=[item.tool],
            resources=list(task_scope.on(item)),
            fixed=dict(item.fixed),
            permissions=[list(one) for one in item.permissions],
            ids={},
            uses_left=item.count,
            phrase=task_scope.phrase,
            **shared,
        )
    return Task(id=task_id, purpose=task_scope.purpose, need=need, source=source, **shared)


def held(connection: Connection, holder: Holder, at: datetime) -> list[Task]:
    """The tasks that this agent may do something with now, the newest first."""
    return _tasks(connection, connection.execute(_HELD, {"at": at, **asdict(holder)}))


def lasting(connection: Connection, holder: Holder, at: datetime) -> list[Task]:
    """Tasks that were ended before their time, and not by their person: whatever is outside them still asks.

    A reported name proves nothing, so another one of the same person's is no way out; nor are other rules.
    """
    mine = tasks.c.agent == holder.agent
    if holder.agent.startswith(_REPORTED):
        mine = or_(mine, tasks.c.agent.startswith(_REPORTED, autoescape=True))
    same = and_(tasks.c.subject == holder.subject, tasks.c.environment == holder.environment, mine)
    return _tasks(connection, connection.execute(select(tasks).where(same, *_lasts(at)).order_by(tasks.c.ended_at)))


def lasting_of(connection: Connection, subject: str, at: datetime) -> list[Task]:
    """Those of one person, whichever agent they bind."""
    return _tasks(connection, connection.execute(select(tasks).where(tasks.c.subject == subject, *_lasts(at))))


def let_go(connection: Connection, task_id: str, subject: str, at: datetime) -> bool:
    """The person says that what an ended task demanded holds no longer; whether it did."""
    mine = and_(tasks.c.id == task_id, tasks.c.subject == subject, *_lasts(at))
    return tags.change(connection, tasks, mine, lifted_at=at) == 1


def all_of(connection: Connection, subject: str, at: datetime) -> list[Task]:
    """Every running task of this person's agents."""
    query = select(tasks).where(tasks.c.subject == subject, *_running(at)).order_by(tasks.c.created_at.desc())
    return _tasks(connection, connection.execute(query))


def items(connection: Connection, task_id: str, at: datetime) -> list[Approval]:
    """What is left of a task: its approvals that still count."""
    return rows_of(connection, approvals.c.task == task_id, *alive_in(at))


def end(connection: Connection, task_id: str, subject: str, why: str, at: datetime, *, by_person: bool = False) -> bool:
    """End a task of this person and every approval in it; whether it was running.

    Ended by anybody but its person, it gives nothing more, and demands what it demanded until its own end.
    """
    mine = and_(tasks.c.id == task_id, tasks.c.subject == subject, *_running(at))
    if tags.change(connection, tasks, mine, ended_at=at, ended_why=why, lifted_at=at if by_person else None) != 1:
        return False
    end_all(connection, approvals.c.task == task_id, at)
    return True


def over(connection: Connection, ids: Collection[str], at: datetime) -> set[str]:
    """Which of these tasks do not run any more, whoever or whatever ended them."""
    running = connection.execute(select(tasks).where(tasks.c.id.in_(ids), *_running(at)))
    return set(ids) - {row.id for row in tags.sound(connection, tasks, running)}


def outside(connection: Connection, running: list[Task], call: ApprovableCall) -> str:
    """Why a call is not inside any running task, in words; of the newest task where there are several."""
    task = running[0]
    if task.ended_at:
        return (
            f"it was ended, and anything else asks until {task.expires_at:%H:%M} UTC, or until the user lets go of it"
        )
    parts = rows_of(connection, approvals.c.task == task.id)
    mine = [part for part in parts if call.operation in part.operations]
    if not mine:
        return f"{call.operation} is none of its tools"
    if not any(is_about(part.resources, call.names) for part in mine):
        return f"{call.names[0].partition(':')[2] or call.names[0]} is none of its resources"
    fitting = [part for part in mine if part.fits(call)]
    if not fitting:
        return _unfitting(mine, call)
    if all(part.uses_left == 0 for part in fitting):
        return f"its calls of {call.operation} are used up"
    return f"it does not cover this call of {call.operation}"


def _unfitting(parts: list[Approval], call: ApprovableCall) -> str:
    if call.leads_out and any(part.fits(replace(call, leads_out=frozenset())) for part in parts):
        return "it reaches into another place besides, which a task allows only where it says which"
    quiet = [part for part in parts if NOTIFIES in (part.fixed or {})]
    if NOTIFIES not in call.arguments and any(part.fits(_quiet(call)) for part in quiet):
        return "it notifies somebody, which the task leaves out"
    if call.rings and any(part.fits(replace(call, rings=frozenset())) for part in parts):
        return "it notifies many people, which a task allows only where it says these very words"
    return f"it fixes other arguments for {call.operation}"


def _quiet(call: ApprovableCall) -> ApprovableCall:
    return replace(call, arguments={**call.arguments, NOTIFIES: NOBODY}, rings=frozenset())


def _running(at: datetime) -> tuple[ColumnElement[bool], ...]:
    return (tasks.c.ended_at.is_(None), tasks.c.expires_at > at)


def _lasts(at: datetime) -> tuple[ColumnElement[bool], ...]:
    return (tasks.c.ended_at.is_not(None), tasks.c.lifted_at.is_(None), tasks.c.expires_at > at)


def _tasks(connection: Connection, rows: Iterable[Row[Any]]) -> list[Task]:
    return [_task(row) for row in tags.sound(connection, tasks, rows)]


def _task(row: Row[tuple[object, ...]]) -> Task:
    values = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    return Task(**{name: values[name] for name in Task.__dataclass_fields__})
