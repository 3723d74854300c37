"""A person takes a "no" back: the question opens again, and the silence that followed it ends."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from loaner.caller import Subject
from loaner.consent import pauses, pending
from loaner.consent.pauses import About
from loaner.consent.pending import Pending


def ask_again(connection: Connection, asked: Pending, at: datetime) -> bool:
    """Whether the question is open again. Raises :class:`PolicyDenied` behind a fence."""
    if not pending.ask_again(connection, asked, at):
        return False
    pauses.end(connection, About.asked(asked))
    return True


def lift_pause(connection: Connection, pause_id: str, subject: Subject, at: datetime) -> bool:
    """Whether something of this person's was paused: its agent may ask about it anew."""
    for asked in pending.denied_of(connection, subject, at):
        if About.asked(asked).id == pause_id:
            pending.mark_told(connection, asked.handle)  # or the next call would hear of that no first
    return pauses.lift(connection, pause_id, subject.key)
