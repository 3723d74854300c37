"""Closing the record of a call that had a loan, together with the loan."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from loaner.audit.chain import append
from loaner.audit.record import Draft
from loaner.store.tables import records


def close(connection: Connection, record: Mapping[str, Any], *, how: str, confirmed: bool, at: datetime) -> None:
    """Append the call's record with how its credential ended, inside the transaction that ends the loan.

    A credential that was not confirmed dead at first is confirmed later by a second record of kind ``return``: the
    first is never rewritten. Saying again that it is not confirmed appends nothing.
    """
    draft = Draft.from_body(record)
    draft.returned(how, at, confirmed=confirmed)
    closed = connection.execute(select(records.c.id).where(records.c.id == draft.id)).first() is not None
    if closed and not (confirmed or how.startswith("expired")):
        return
    body = draft.body()
    if closed:
        body |= {"id": secrets.token_hex(16), "kind": "return", "of": draft.id}
    append(connection, body, at)
