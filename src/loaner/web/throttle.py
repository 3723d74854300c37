"""How many wrong codes may be tried, per browser and in all.

A code has 20^8 values. At most 100 wrong ones in ten minutes, the life of a code, leave a guesser a chance below
2^-25 for one waiting code, and below 2^-20 for 32 of them (RFC 8628 §5.1).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select, update

from loaner.store.tables import throttles, web_sessions

PER_SESSION = 5
IN_ALL = 100
WINDOW = timedelta(minutes=10)
_KEY = "wrong codes"


def take_try(connection: Connection, session: str, at: datetime) -> bool:
    """Take one try before the code is looked at, so that many at the same moment cannot share one."""
    mine = update(web_sessions).where(web_sessions.c.id_hash == session, web_sessions.c.wrong_codes < PER_SESSION)
    if connection.execute(mine.values(wrong_codes=web_sessions.c.wrong_codes + 1)).rowcount != 1:
        return False
    connection.execute(delete(throttles).where(throttles.c.key == _KEY, throttles.c.window_ends <= at))
    used = connection.execute(select(throttles.c.count).where(throttles.c.key == _KEY)).scalar()
    if used is None:
        connection.execute(throttles.insert().values(key=_KEY, count=1, window_ends=at + WINDOW))
        return True
    more = update(throttles).where(throttles.c.key == _KEY, throttles.c.count < IN_ALL)
    return connection.execute(more.values(count=throttles.c.count + 1)).rowcount == 1


def give_back_try(connection: Connection, session: str) -> None:
    """The code was right."""
    mine = update(web_sessions).where(web_sessions.c.id_hash == session)
    connection.execute(mine.values(wrong_codes=web_sessions.c.wrong_codes - 1))
    shared = update(throttles).where(throttles.c.key == _KEY)
    connection.execute(shared.values(count=throttles.c.count - 1))
