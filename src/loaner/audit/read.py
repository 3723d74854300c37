"""Finding records again. Each is a function of a connection, for ``Store.read``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, select

from loaner.audit.chain import Filed, Record
from loaner.clock import iso
from loaner.store.tables import records

_PAGE = 1000


def tail(
    connection: Connection, count: int = 20, *, after_seq: int | None = None, subject: str | None = None
) -> list[Record]:
    """The last ``count`` records, or with ``after_seq`` the first ``count`` that follow it; the oldest first.

    ``subject`` (``Subject.key``) leaves out everyone else's.
    """
    query = select(records).limit(count)
    if subject is not None:
        query = query.where(records.c.subject == subject)
    if after_seq is not None:
        found = connection.execute(query.where(records.c.seq > after_seq).order_by(records.c.seq)).all()
    else:
        found = connection.execute(query.order_by(records.c.seq.desc())).all()[::-1]
    return [_record(row) for row in found]


def show(connection: Connection, which: int | str, *, subject: str | None = None) -> Record | None:
    """One record by its ``seq`` or its ``id`` (the call's); ``None`` where there is none, or only someone else's."""
    query = select(records).where(records.c.seq == which if isinstance(which, int) else records.c.id == which)
    if subject is not None:
        query = query.where(records.c.subject == subject)
    row = connection.execute(query).first()
    return None if row is None else _record(row)


def every(connection: Connection, after_seq: int = 0) -> Iterator[Record]:
    """All records in order, a page at a time, so that memory stays flat."""
    while page := tail(connection, _PAGE, after_seq=after_seq):
        yield from page
        after_seq = page[-1].seq


def _record(row: Row[Any]) -> Record:
    filed = Filed(row.id, row.kind, row.subject, iso(row.at) or "")
    return Record(row.seq, row.prev_hash, row.hash, row.body, filed)
