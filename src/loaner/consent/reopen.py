"""A person takes a "no" back: the question opens again, and the silence that followed it ends."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from loaner.consent import pauses, requests
from loaner.consent.pauses import About
from loaner.consent.requests import ConsentRequest
from loaner.identity.caller import Subject


def ask_again(connection: Connection, asked: ConsentRequest, at: datetime) -> bool:
    """Whether the question is open again. Raises :class:`PolicyDenied` when blocked."""
    if not requests.ask_again(connection, asked, at):
        return False
    pauses.end(connection, About.asked(asked))
    return True


def lift_pause(connection: Connection, pause_id: str, subject: Subject, at: datetime) -> bool:
    """Whether something of this person's was paused: its agent may ask about it anew."""
    for asked in requests.denied_of(connection, subject, at):
        if About.asked(asked).id == pause_id:
            requests.mark_told(connection, asked.handle)  # or the next call would hear of that no first
    return pauses.lift(connection, pause_id, subject.key)
