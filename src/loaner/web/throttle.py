"""How many wrong codes may be tried: per browser, per person, and in all.

A code has 20^8 values, and a person can only find their own. At most 10,000 wrong ones of everybody in ten minutes,
the life of a code, leave a guesser a chance below 2^-21 for one waiting code (RFC 8628 §5.1). A right one is looked up
before anything counts, so that nobody's wrong ones lock another person out.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal, TypeVar

from sqlalchemy import Connection, delete, select, update

from loaner.identity.caller import Subject
from loaner.store.tables import throttles, web_sessions

PER_SESSION = 5
PER_PERSON = 100
IN_ALL = 10_000
WINDOW = timedelta(minutes=10)
_KEY = "wrong codes"
Found = TypeVar("Found")


def tried(
    connection: Connection, session: str, person: Subject, at: datetime, look: Callable[[Connection], Found | None]
) -> Found | Literal["too many"] | None:
    """What ``look`` finds for a code. One transaction, so that many at the same moment cannot share one try; and it is
    kept whatever the answer, so that no way out is free."""
    mine = update(web_sessions).where(web_sessions.c.id_hash == session)
    few = mine.where(web_sessions.c.wrong_codes < PER_SESSION)
    if connection.execute(few.values(wrong_codes=web_sessions.c.wrong_codes + 1)).rowcount != 1:
        return "too many"
    over = throttles.c.key.startswith(_KEY), throttles.c.window_ends <= at
    connection.execute(delete(throttles).where(*over))
    own = f"{_KEY} of {person.key}"
    if not _counted(connection, own, PER_PERSON, at):
        return "too many"
    if (found := look(connection)) is None:
        return None if _counted(connection, _KEY, IN_ALL, at) else "too many"
    connection.execute(mine.values(wrong_codes=web_sessions.c.wrong_codes - 1))
    connection.execute(update(throttles).where(throttles.c.key == own).values(count=throttles.c.count - 1))
    return found


def _counted(connection: Connection, key: str, most: int, at: datetime) -> bool:
    """One more, where there is room for it."""
    if connection.execute(select(throttles.c.count).where(throttles.c.key == key)).scalar() is None:
        connection.execute(throttles.insert().values(key=key, count=1, window_ends=at + WINDOW))
        return True
    more = update(throttles).where(throttles.c.key == key, throttles.c.count < most)
    return connection.execute(more.values(count=throttles.c.count + 1)).rowcount == 1
