"""What a yes allows: the approval that it becomes, in the transaction that ends its question."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy import Connection

from loaner.consent import approvals
from loaner.consent.call import call_of
from loaner.consent.reading import Choice, Offer
from loaner.consent.requests import ConsentRequest, Remember

ONCE = timedelta(minutes=10)
"""How long the agent has to repeat the call that was approved."""
HOUR = timedelta(hours=1)
HOUR_USES = 100


def phrase_of(asked: ConsentRequest, *, exact: bool) -> str:
    """What an approval says: the call itself, or all that is allowed on its resource. Never the first one's argument
    for what covers every other one."""
    return str(asked.shown["phrase"] if exact else asked.shown.get("phrase_any", asked.shown["phrase"]))


def store(
    connection: Connection,
    asked: ConsentRequest,
    remember: Remember,
    reading: Choice | None,
    proven_by: str,
    at: datetime,
) -> str | None:
    """Store what the yes allows besides a connection, if anything; the approval's id."""
    if asked.wants_approval:
        return _approve(connection, asked, remember, proven_by, at)
    if "reads" not in asked.shown or reading is None or reading.reach == "none":
        return None
    approval_id = secrets.token_hex(16)
    approvals.add(
        connection,
        id=approval_id,
        subject=asked.subject,
        environment=asked.environment,
        connector=asked.connector,
        policy_version=asked.policy_version,
        ids=asked.shown.get("ids", {}),
        proven_by=proven_by,
        created_at=at,
        **reading.columns(Offer.read(asked.shown["reads"]), asked.asked_by.key, at),
    )
    return approval_id


def _approve(connection: Connection, asked: ConsentRequest, remember: Remember, proven_by: str, at: datetime) -> str:
    call = call_of(asked, remember)
    return approvals.make(
        connection,
        call,
        uses=1 if call.exact else HOUR_USES,
        proven_by=proven_by,
        phrase=phrase_of(asked, exact=call.exact),
        at=at,
        until=at + (ONCE if call.exact else HOUR),
    )
