"""What happens to consent, for the record."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection

from loaner.consent.requests import ConsentRequest


class NoteEvent(Protocol):
    """Appends a record of something that is no call, in the transaction that does it."""

    def __call__(self, connection: Connection, kind: str, *, subject: str, at: datetime, **said: Any) -> object: ...


def of(asked: ConsentRequest) -> dict[str, Any]:
    """What a record says of the request that was answered. The call has a record of its own, found by its tool."""
    known = {
        "provider": asked.provider,
        "connector": asked.connector,
        "resource": asked.shown.get("resource"),
        "arguments_digest": asked.digest,
    }
    return {
        **asked.asked_by.recorded(),
        "environment": asked.environment,
        "origin": asked.origin,
        "policy_version": asked.policy_version,
        "reason": f"asked for {asked.tool}",
        **{name: value for name, value in known.items() if value},
    }
