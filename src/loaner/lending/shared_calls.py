"""Calls that use another call's loan, as rows beside it: what they did is durable, and their records end with it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from loaner.grants import loan_rows
from loaner.identity.caller import Caller
from loaner.lending import journal
from loaner.lending.loan import Loan, MintRequest
from loaner.store.tables import loans


def add(
    connection: Connection,
    row_id: str,
    loan: Loan,
    ask: MintRequest,
    caller: Caller,
    *,
    call_id: str,
    record: dict[str, Any],
    at: datetime,
) -> None:
    """Write down that another call is about to use ``loan``, which is out on ``ask``.

    Raises what :func:`loaner.lending.journal.intend` raises; ``TokenMoved`` also when the loan is not out any more.
    """
    journal.admit(connection, ask, caller, at)
    mine = select(loans.c.latest_expiry).where(loans.c.id == loan.id, loans.c.state == "lent")
    out = connection.execute(mine.with_for_update()).first()
    if out is None:
        raise journal.TokenMoved
    journal.insert_row(
        connection,
        row_id,
        ask,
        caller,
        call_id=call_id,
        style=journal.SHARED,
        state="lent",
        fingerprint=loan.fingerprint,
        intent_at=at,
        minted_at=loan.minted_at,
        expires_at=loan.expires_at,
        latest_expiry=out.latest_expiry,
        next_attempt_at=out.latest_expiry,
        record=record,
    )


def of(connection: Connection, loan_id: str) -> list[tuple[str, dict[str, Any]]]:
    """The rows, and the records, of the other calls that used a loan."""
    credential = select(loans.c.fingerprint).where(loans.c.id == loan_id).scalar_subquery()
    sharing = select(loans.c.id, loans.c.record).where(
        loans.c.style == journal.SHARED, loans.c.state.in_(loan_rows.OPEN), loans.c.fingerprint == credential
    )
    return [(row.id, dict(row.record)) for row in connection.execute(sharing.order_by(loans.c.intent_at)).all()]
