"""Pending consents: questions that wait for a person, as rows. Every change of state is one atomic statement.

::

    pending ──► linking ──► account ──► approved
       │           ├───────────┼──────► failed
       ├───────────┼───────────┼──────► denied
       └───────────┴───────────┴──────► expired

``account``: the provider said whose account it is, and the person says whether that is theirs; left out where they have
it connected here already.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import structlog
from sqlalchemy import ColumnElement, Connection, Row, and_, delete, or_, select

from loaner.blocks import blocks
from loaner.blocks.blocks import Party
from loaner.consent import codes
from loaner.identity.caller import Agent, Caller, Subject
from loaner.store import Sealed, tags
from loaner.store.tables import consents, openings

log = structlog.get_logger(__name__)
State = Literal["pending", "linking", "account", "approved", "denied", "expired", "failed"]
Remember = Literal["once", "hour"]
OPEN: tuple[State, ...] = ("pending", "linking", "account")
BY_DIALOG = "client-dialog"
"""``proven_by`` of a no that a client's own dialog gave; every other answer was given on a page."""
START_LEASE = timedelta(seconds=30)
"""How long one request may take to start a provider's flow before another may start it again."""
KEPT_FOR = timedelta(days=1)
"""How long an answered consent stays readable, for its page and for the agent that comes back late."""


@dataclass(frozen=True)
class ConsentRequest:
    """One question. ``shown`` is all that the page says; nothing on the page comes from elsewhere."""

    handle: str
    code_shown: bytes
    need: str
    caller: str
    subject: str
    agent: dict[str, Any]
    environment: str
    origin: str
    tool: str
    provider: str
    connector: str
    wants_grant: bool
    wants_approval: bool
    digest: str
    shown: dict[str, Any]
    policy_version: str
    state: State
    failure: str | None
    remember: Remember | None
    reading: dict[str, Any] | None
    """What was chosen about reading, as :class:`~loaner.consent.reading.Choice` stores it."""
    sealed: bytes | None
    flow: dict[str, Any] | None
    poll_after: datetime | None
    lease_until: datetime | None
    proven_by: str | None
    told: bool
    created_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    """When its page was first shown to its person."""

    def state_at(self, at: datetime) -> State:
        """The state as it is now: an open question past its end is over, swept or not."""
        return "expired" if self.state in OPEN and self.expires_at <= at else self.state

    @property
    def permissions(self) -> frozenset[str]:
        return frozenset(self.shown["permissions"])

    @property
    def asked_by(self) -> Agent:
        return Agent.read(self.agent)


@dataclass(frozen=True)
class NewRequest:
    """A question that may be put: who is asked for whom, and what about."""

    caller: Caller
    need: str
    tool: str
    provider: str
    connector: str
    wants_grant: bool
    wants_approval: bool
    digest: str
    shown: dict[str, Any]


def add(
    connection: Connection, sealed: Sealed, new: NewRequest, *, policy_version: str, at: datetime, until: datetime
) -> tuple[ConsentRequest, str]:
    """Store a new question; answers it and its user code. Raises :class:`PolicyDenied` when blocked."""
    caller = new.caller
    blocks.refuse(connection, Party(caller.subject.key, caller.agent.key, caller.environment, new.connector))
    handle, code = codes.new_handle(), codes.new_user_code()
    while connection.execute(select(consents.c.handle).where(consents.c.code_hash == codes.hashed(code))).first():
        code = codes.new_user_code()
    row = {
        "handle": handle,
        "code_hash": codes.hashed(code),
        "code_shown": codes.seal_code(sealed, code, handle),
        "need": new.need,
        "tool": new.tool,
        "provider": new.provider,
        "connector": new.connector,
        "wants_grant": new.wants_grant,
        "wants_approval": new.wants_approval,
        "digest": new.digest,
        "shown": new.shown,
        "policy_version": policy_version,
        "caller": caller.key,
        "subject": caller.subject.key,
        "agent": caller.agent.stored(),
        "environment": caller.environment,
        "origin": caller.origin,
        "state": "pending",
        "told": False,
        "created_at": at,
        "expires_at": until,
    }
    tags.add(connection, consents, row)
    added = get(connection, handle)
    assert added is not None  # noqa: S101 - it was inserted in this very transaction
    return added, code


def get(connection: Connection, handle: str) -> ConsentRequest | None:
    return _first(connection, consents.c.handle == handle)


def of(connection: Connection, handle: str, subject: Subject) -> ConsentRequest | None:
    """One that this person was asked. Another's is as unknown as none; the operator alone is told of it."""
    found = get(connection, handle)
    if found is None or found.subject == subject.key:
        return found
    log.warning(
        "a question was opened by another person than was asked; if they are one, their two tokens name them "
        "differently: see identity.subject_claim and identity.page_subject_claim",
        asked=found.subject,
        opened_by=subject.key,
    )
    return None


def newest(connection: Connection, caller: str, need: str) -> ConsentRequest | None:
    """The last question of this caller about this need, however it ended."""
    mine = and_(consents.c.caller == caller, consents.c.need == need)
    return _first(connection, mine)


def approved_between(connection: Connection, caller: str, since: datetime, at: datetime) -> ConsentRequest | None:
    """What this caller asked for and was agreed to after ``since`` and by now."""
    then = and_(consents.c.decided_at > since, consents.c.decided_at <= at)
    return _first(connection, consents.c.caller == caller, consents.c.state == "approved", then)


def by_code(connection: Connection, code: str, subject: str, at: datetime) -> ConsentRequest | None:
    """The open question that shows this code, if it is this person's. Another's is as unknown as a wrong code."""
    mine = and_(consents.c.code_hash == codes.hashed(code), consents.c.subject == subject)
    return _first(connection, mine, *_open(at))


def by_state(connection: Connection, state_hash: str, at: datetime) -> ConsentRequest | None:
    """The question whose redirect flow carries this one-time state."""
    mine = and_(consents.c.state_hash == state_hash, consents.c.state == "linking", consents.c.expires_at > at)
    return _first(connection, mine)


def open_of(connection: Connection, subject: Subject, at: datetime) -> list[ConsentRequest]:
    """What waits for this person, the oldest first."""
    return _read(connection, consents.c.subject == subject.key, *_open(at), by=consents.c.created_at)


def due(connection: Connection, at: datetime, *, environment: str, connectors: Collection[str]) -> list[str]:
    """Handles whose device flow may be polled now, by a server of this environment that has these connectors.

    Another server over the same store may have others, and only it can finish theirs.
    """
    ours = and_(consents.c.environment == environment, consents.c.connector.in_(connectors))
    waiting = select(consents.c.handle).where(consents.c.state == "linking", ours, _pollable(at), *_open(at))
    return [row.handle for row in connection.execute(waiting)]


def move(
    connection: Connection, handle: str, *, to: State, at: datetime, of: State | None = None, **columns: Any
) -> bool:
    """End an open question, or approve it; whether it was still open, and in the state ``of``. Secrets of its flow are
    forgotten."""
    return _changed(
        connection,
        and_(consents.c.handle == handle, *_open(at), *([consents.c.state == of] if of else [])),
        state=to,
        decided_at=at if to not in OPEN else None,
        sealed=None,
        state_hash=None,
        poll_after=None,
        **columns,
    )


def ask_again(connection: Connection, asked: ConsentRequest, at: datetime) -> bool:
    """Take a "no" back: the question is open again as it was, until it would have ended; whether it is.

    Only its person does that, on its page: for the agent a "no" stays one. Raises :class:`PolicyDenied` when blocked.
    """
    blocks.refuse(connection, Party(asked.subject, asked.asked_by.key, asked.environment, asked.connector))
    return _changed(
        connection,
        and_(consents.c.handle == asked.handle, *_denied(at)),
        state="pending",
        told=False,
        decided_at=None,
        proven_by=None,
        failure=None,
    )


def denied_of(connection: Connection, subject: Subject, at: datetime) -> list[ConsentRequest]:
    """What this person refused and could still be asked about, the newest first."""
    return _read(connection, consents.c.subject == subject.key, *_denied(at), by=consents.c.decided_at.desc())


def claim_linking(connection: Connection, handle: str, *, at: datetime, again: bool, **columns: Any) -> bool:
    """Win the right to start the provider's flow; one of any number of simultaneous submits does.

    ``again`` lets a redirect flow be started anew, which makes the earlier one's state worthless.
    """
    abandoned = and_(consents.c.state == "linking", consents.c.flow.is_(None), consents.c.lease_until < at)
    startable = consents.c.state.in_(("pending", "linking")) if again else or_(consents.c.state == "pending", abandoned)
    mine = and_(consents.c.handle == handle, startable, *_open(at))
    return _changed(connection, mine, state="linking", lease_until=at + START_LEASE, **columns)


def reopen(connection: Connection, handle: str) -> None:
    """The provider's flow could not be started: the person may try again."""
    started = and_(consents.c.handle == handle, consents.c.state == "linking", consents.c.flow.is_(None))
    _changed(connection, started, state="pending", lease_until=None)


def set_flow(connection: Connection, handle: str, **columns: Any) -> bool:
    return _changed(
        connection, and_(consents.c.handle == handle, consents.c.state == "linking"), lease_until=None, **columns
    )


def lease_poll(connection: Connection, handle: str, *, at: datetime, until: datetime) -> bool:
    """Win the right to poll once; another process may try after ``until`` should this one die."""
    mine = and_(consents.c.handle == handle, consents.c.state == "linking", _pollable(at), *_open(at))
    return _changed(connection, mine, lease_until=until)


def spend_state(connection: Connection, handle: str, state_hash: str) -> bool:
    """Use up a redirect's state; a replay finds nothing to spend."""
    mine = and_(consents.c.handle == handle, consents.c.state == "linking", consents.c.state_hash == state_hash)
    return _changed(connection, mine, state_hash=None, sealed=None)


def mark_told(connection: Connection, handle: str) -> None:
    _changed(connection, consents.c.handle == handle, told=True)


def was_answered(connection: Connection, caller: str) -> bool:
    """Was any question of this caller answered on its page?"""
    mine = and_(consents.c.caller == caller, consents.c.proven_by != BY_DIALOG)  # false for NULL
    return connection.execute(select(consents.c.handle).where(mine).limit(1)).first() is not None


def sweep(connection: Connection, at: datetime) -> int:
    """Close what nobody answered and drop what is long over; how many were closed."""
    overdue = and_(consents.c.state.in_(OPEN), consents.c.expires_at <= at)
    ended = {"state": "expired", "decided_at": at, "sealed": None, "state_hash": None}
    closed = tags.change(connection, consents, overdue, **ended)
    connection.execute(delete(consents).where(consents.c.expires_at < at - KEPT_FOR))
    connection.execute(delete(openings).where(openings.c.at < at - KEPT_FOR))
    return closed


def _open(at: datetime) -> tuple[ColumnElement[bool], ...]:
    return (consents.c.state.in_(OPEN), consents.c.expires_at > at)


def _denied(at: datetime) -> tuple[ColumnElement[bool], ...]:
    # What went on to a provider is over there too, and begins anew with a new question.
    return (consents.c.state == "denied", consents.c.flow.is_(None), consents.c.expires_at > at)


def _pollable(at: datetime) -> ColumnElement[bool]:
    leased = and_(consents.c.lease_until.is_not(None), consents.c.lease_until >= at)
    return and_(consents.c.poll_after.is_not(None), consents.c.poll_after <= at, ~leased)


def _changed(connection: Connection, where: ColumnElement[bool], **columns: Any) -> bool:
    return tags.change(connection, consents, where, **columns) == 1


def _first(connection: Connection, *where: ColumnElement[bool]) -> ConsentRequest | None:
    return next(iter(_read(connection, *where, by=consents.c.created_at.desc())), None)


def _read(connection: Connection, *where: ColumnElement[bool], by: ColumnElement[Any]) -> list[ConsentRequest]:
    """The questions that carry a valid tag: any other is as unknown as none, so nobody answers it."""
    rows = connection.execute(select(consents).where(*where).order_by(by))
    return [_pending(row) for row in tags.sound(connection, consents, rows)]


def _pending(row: Row[tuple[object, ...]]) -> ConsentRequest:
    values = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    return ConsentRequest(**{name: values[name] for name in ConsentRequest.__dataclass_fields__})
