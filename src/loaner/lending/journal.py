"""The loan journal: durable intent before a credential is minted, the sealed credential before it is used.

Whatever happens to this process, a row says what may be alive, how to end it, and by when it is dead anyway.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, or_, select, update

from loaner.blocks import blocks
from loaner.blocks.blocks import Block, Party
from loaner.errors import GrantBroken
from loaner.grants import pending_pairs
from loaner.grants.loan_rows import CALL_DEADLINE, CLOCK_SKEW, OPEN
from loaner.identity.caller import Caller
from loaner.lending.loan import Minted, MintRequest
from loaner.secret import Secret
from loaner.store import Store
from loaner.store.owner import is_gone, is_here, this_process
from loaner.store.tables import grants, loans

SHARED = "shared"
"""The style of the row of a call that uses another call's loan. It has no credential of its own, and ends with it."""
UNKNOWN_LIFETIME = timedelta(hours=8)
"""The longest that a credential lives whose expiry we were never told (GitHub's user tokens)."""
_OPEN = (loans.c.state.in_(OPEN), loans.c.style != SHARED)
_STYLES_BEFORE = {"held": "pass_through", "token_scoped": "down_scoped"}
"""What earlier versions wrote, which may still serve beside this one."""
_BACKOFF = (1, 2, 5, 15, 30, 60, 300)

# Built once: they run in every call.
_ADD = insert(loans)
_CHANGE = update(loans).where(loans.c.id == bindparam("of"))
_MINE = (grants.c.id == bindparam("of")) & (grants.c.state == "active")
_STANDS = select(grants.c.id).where(_MINE)
_USE = update(grants).where(_MINE, grants.c.version == bindparam("read"))
_USE_UNLEASED = _USE.where(or_(grants.c.lease_until.is_(None), grants.c.lease_until < bindparam("now")))


class TokenMoved(Exception):
    """The grant's token was, or is being, replaced since it was read: take the new one."""


@dataclass(frozen=True)
class OpenLoan:
    """A loan that is not known to be dead."""

    id: str
    call_id: str
    state: str
    provider: str
    connector: str
    client_id: str | None
    """Of the app that it was minted for; ``None`` where nobody knows."""
    style: str
    subject: str
    agent: str
    permissions: list[str]
    resource: str
    fingerprint: str | None
    intent_at: datetime
    latest_expiry: datetime
    attempts: int
    last_error: str | None
    record: Mapping[str, Any]


def intend(
    connection: Connection,
    loan_id: str,
    ask: MintRequest,
    caller: Caller,
    *,
    call_id: str,
    record: dict[str, Any],
    at: datetime,
) -> None:
    """Write down that a credential is about to exist.

    Raises :class:`GrantBroken` when the grant has just ended, :class:`TokenMoved` when its token is being replaced,
    :class:`PolicyDenied` when blocked.
    """
    admit(connection, ask, caller, at)
    pass_through = ask.provider.lending.style == "pass_through"
    insert_row(
        connection,
        loan_id,
        ask,
        caller,
        call_id=call_id,
        style=ask.provider.lending.style,
        state="intent",
        intent_at=at,
        latest_expiry=(ask.grant.expires_at if pass_through else None) or at + CALL_DEADLINE + UNKNOWN_LIFETIME,
        next_attempt_at=at + CALL_DEADLINE,
        record=record,
    )


def admit(connection: Connection, ask: MintRequest, caller: Caller, at: datetime) -> None:
    """Nothing stands in the way of a call on this grant, now and until the commit. Raises as :func:`intend` does."""
    party = Party(caller.subject.key, caller.agent.key, caller.environment, ask.connector.name, ask.grant.id)
    blocks.refuse(connection, party)
    # One statement, so that no refresh can take its turn between the look and the loan that it would break.
    use = _USE_UNLEASED if ask.provider.grant.kills_previous else _USE
    of = {"of": ask.grant.id, "read": ask.grant.version, "now": at}
    if connection.execute(use, {**of, "used_at": at}).rowcount != 1:
        if connection.execute(_STANDS, of).first():
            raise TokenMoved
        raise GrantBroken("the user's grant has ended.", do="Repeat the call: the user will be asked again.")


def insert_row(
    connection: Connection, row_id: str, ask: MintRequest, caller: Caller, *, record: dict[str, Any], **values: object
) -> None:
    """One row, as far as it says whose it is and what it is about; ``values`` say the rest."""
    row = {
        "id": row_id,
        "subject": caller.subject.key,
        "agent": caller.agent.key,
        "environment": caller.environment,
        "provider": ask.provider.name,
        "connector": ask.connector.name,
        "client_id": ask.connector.client_id,
        "grant_id": ask.grant.id,
        "owner": this_process(),
        "permissions": sorted(ask.scope.permissions),
        "resource": ask.scope.resource,
        "record": record,
    }
    connection.execute(_ADD, row | values)


def lent(
    connection: Connection,
    store: Store,
    loan_id: str,
    minted: Minted,
    *,
    record: dict[str, Any],
    at: datetime,
    keep: bool,
    party: Party,
) -> Block | None:
    """The credential exists. ``keep`` seals it here so that anyone who finds this row can end it.

    Where a block was set since the intent, it goes back unused: the answer is that block.
    """
    block = blocks.around(connection, party)
    state = "returning" if block else "lent"
    values: dict[str, Any] = {"state": state, "minted_at": at, "fingerprint": minted.credential.fingerprint}
    if keep:
        values["sealed"] = store.sealed.seal(minted.credential, "loans", loan_id)
    if minted.expires_at:
        values |= {"expires_at": minted.expires_at, "latest_expiry": minted.expires_at}
    _change(connection, loan_id, record=record, **values)
    return block


def returning(connection: Connection, loan_id: str, *, record: dict[str, Any]) -> None:
    """The call is over, and how it ended is durable before anyone is told."""
    _change(connection, loan_id, state="returning", record=record)


def noted(connection: Connection, row_id: str, *, record: dict[str, Any]) -> None:
    """A call is over while its credential stays out for others."""
    _change(connection, row_id, record=record)


def never_lent(connection: Connection, loan_id: str, *, how: str, at: datetime) -> None:
    """The provider certainly minted nothing."""
    _change(connection, loan_id, state="failed", sealed=None, returned_at=at, returned_how=how)


def returned(connection: Connection, loan_id: str, *, how: str, at: datetime) -> None:
    """The provider confirmed that the credential is dead."""
    _change(connection, loan_id, state="returned", sealed=None, returned_at=at, returned_how=how, last_error=None)


def expired(connection: Connection, loan_id: str, *, how: str, at: datetime) -> None:
    """Nobody confirmed anything, but no credential lives that long."""
    _change(connection, loan_id, state="expired", sealed=None, returned_at=at, returned_how=how)


def not_returned(connection: Connection, loan_id: str, *, attempts: int, reason: str, at: datetime) -> None:
    """Try again later, less often each time."""
    wait = timedelta(seconds=_BACKOFF[min(attempts, len(_BACKOFF)) - 1])
    _change(connection, loan_id, state="returning", attempts=attempts, last_error=reason, next_attempt_at=at + wait)


def keep(connection: Connection, store: Store, loan_id: str, credential: Secret) -> None:
    """Seal what the row of a loan should hold and does not, because the store failed when it was minted."""
    if connection.execute(select(loans.c.id).where(loans.c.id == loan_id, loans.c.sealed.is_(None))).first():
        sealed = store.sealed.seal(credential, "loans", loan_id)
        _change(connection, loan_id, sealed=sealed, fingerprint=credential.fingerprint)


def unknown(connection: Connection, loan_id: str, *, reason: str) -> None:
    """Nobody here knows the credential: it stays listed, untouched, until it must be dead."""
    until = loans.c.latest_expiry
    connection.execute(
        update(loans).where(loans.c.id == loan_id).values(state="returning", last_error=reason, next_attempt_at=until)
    )


def known_end(latest: datetime) -> datetime | None:
    """When a credential is dead at the latest; ``None`` where no end is known."""
    return None if latest >= pending_pairs.NO_KNOWN_END else latest


def open_loans(connection: Connection) -> list[OpenLoan]:
    """Every loan that is not known to be dead, the oldest first."""
    rows = connection.execute(select(loans).where(*_OPEN).order_by(loans.c.intent_at)).all()
    return [_open(row) for row in rows]


def claim_due(
    connection: Connection,
    environment: str,
    *,
    at: datetime,
    busy: Collection[str] = (),
    known: Collection[str] = (),
) -> list[OpenLoan]:
    """Take over the loans whose next attempt is due, or whose process is gone; nobody else gets them meanwhile.

    ``busy`` are those that this process is using, or giving back, right now. ``known`` are those whose credential this
    process alone knows: they are due, whatever their rows say.
    """
    due = select(loans).where(
        *_OPEN,
        loans.c.environment == environment,
        or_(loans.c.next_attempt_at <= at, loans.c.owner != this_process(), loans.c.id.in_(known)),
    )
    claimed = []
    for row in connection.execute(due.with_for_update(skip_locked=True)).all():
        if row.id not in busy and (row.id in known or _is_ours(row, at)):
            _change(connection, row.id, owner=this_process(), next_attempt_at=at + CALL_DEADLINE)
            claimed.append(_open(row))
    return claimed


def anything_to_claim(connection: Connection, environment: str, *, at: datetime) -> bool:
    """Would :func:`claim_due` find something? A look, so that an idle server takes no lock for it."""
    needed = (
        loans.c.owner,
        loans.c.next_attempt_at,
        loans.c.state,
        loans.c.style,
        loans.c.sealed,
        loans.c.latest_expiry,
    )
    rows = connection.execute(select(*needed).where(*_OPEN, loans.c.environment == environment))
    return any(_is_ours(row, at) for row in rows)


def is_lost(row: Any) -> bool:
    """Does nobody know the credential? Then there is nothing to do but to wait for its end."""
    given_up = row.state == "returning" and row.next_attempt_at >= row.latest_expiry
    return bool(given_up and row.sealed is None and not _is_pass_through(row))


def is_anothers(row: Any) -> bool:
    """Does another process alone know the credential, and may it live? Then it is that one's to end."""
    elsewhere = row.owner != this_process() and not is_gone(row.owner)
    return bool(
        elsewhere
        and row.sealed is None
        and not _is_pass_through(row)
        and row.style != pending_pairs.PAIR
        and not is_lost(row)
    )


def credential(connection: Connection, store: Store, loan_id: str) -> Secret | None:
    """The credential of an open loan, where it was kept."""
    sealed = connection.execute(select(loans.c.sealed).where(loans.c.id == loan_id)).scalar()
    return store.sealed.open(sealed, "loans", loan_id) if sealed else None


def _change(connection: Connection, loan_id: str, **values: object) -> None:
    connection.execute(_CHANGE, {"of": loan_id, **values})


def _is_pass_through(row: Any) -> bool:
    return bool(_STYLES_BEFORE.get(row.style, row.style) == "pass_through")


def _open(row: Row[Any]) -> OpenLoan:
    named = {name: getattr(row, name) for name in OpenLoan.__dataclass_fields__}
    return OpenLoan(**named | {"style": _STYLES_BEFORE.get(row.style, row.style)})


def _is_ours(row: Any, at: datetime) -> bool:
    """May this process see to a loan? A process that lives sees to its own, however late it is."""
    if row.owner == this_process() or is_lost(row):
        return bool(row.next_attempt_at <= at)
    if is_here(row.owner):
        return is_gone(row.owner)
    return bool(row.next_attempt_at + CLOCK_SKEW <= at)
