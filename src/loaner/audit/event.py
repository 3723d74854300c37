"""Records of what is no call: a stop, its lifting, an account connected or let go, a yes that was given; how many calls
were refused because one person made too many.

They say what they say in the fields of a call's record, so every reader of records reads them too.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from loaner.audit.chain import append
from loaner.audit.record import FIELDS, cleaned

KINDS = frozenset(
    {
        "revoke",
        "resume",
        "grant_linked",
        "account_refused",
        "grant_ended",
        "grants_resealed",
        "approval_given",
        "approval_ended",
        "block_put_back",
        "denied",
        "passkey_made",
        "passkey_removed",
        "restore",
        "prune",
        "calls_refused",
        "look_up",
        "clock_accepted",
    }
)


def note(connection: Connection, kind: str, *, subject: str, at: datetime, **said: Any) -> int:
    """Append one, inside the transaction that does what it tells of. ``subject`` is a ``Subject.key``.

    Raises :class:`ValueError` for a kind or a field that records do not have: each field's sensitivity is declared.
    """
    if kind not in KINDS or not said.keys() <= FIELDS.keys():
        raise ValueError(f"no record says this: {kind}, {sorted(said)}")
    issuer, _, sub = subject.partition(" ")
    known = {name: cleaned(value) for name, value in said.items() if value is not None}
    who = {"issuer": cleaned(issuer), "sub": cleaned(sub)}
    return append(connection, {"v": 1, "id": secrets.token_hex(16), "kind": kind, **who, **known}, at)
