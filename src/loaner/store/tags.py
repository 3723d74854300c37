"""A keyed tag on each row that decides something: whoever can write to the database, but has no key, adds nothing.

The tag covers every column of its row, save those named here that decide nothing, and is made anew by the statement
that changes the row. It does not notice a row that is gone, or an older row that was put back: the audit chain does.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import ColumnElement, Connection, Row, Table, and_, insert, update

if TYPE_CHECKING:
    from loaner.store.sealing import Sealed

log = structlog.get_logger(__name__)

_LOOSE: Mapping[str, frozenset[str]] = {
    # The state of a provider's flow, which is sealed or a hash already, and who heard of it.
    "consents": frozenset({"sealed", "flow", "state_hash", "poll_after", "lease_until", "told", "code_shown"}),
    # How often a code was mistyped, and a sign-in under way, which only the holder of the cookie can end.
    "web_sessions": frozenset({"wrong_codes", "state_hash"}),
}
"""Columns that the tag leaves out, by table. Nobody is allowed anything by one of them."""
_TOLD = 1000


class Tags:
    """Makes and checks the tags of one store. Every connection of its :class:`Store` carries it."""

    def __init__(self, sealed: Sealed) -> None:
        self._sealed = sealed
        self._told: set[tuple[str, str]] = set()

    @cached_property
    def _keys(self) -> list[bytes]:
        # Asked for at the first row and not before: who only reads the audit needs no key.
        return self._sealed.derived("rows")

    def of(self, table: Table, row: Mapping[str, Any]) -> str:
        return _tag(self._keys[0], table, row)

    def holds(self, table: Table, row: Mapping[str, Any]) -> bool:
        """Did a holder of the key make this row as it stands? One that nobody did is told of once, in the log."""
        found = row["tag"] or ""
        if any(hmac.compare_digest(_tag(key, table, row), found) for key in self._keys):
            return True
        name = (table.name, _id_of(table, row))
        if name not in self._told and len(self._told) < _TOLD:
            self._told.add(name)
            log.error("a row was altered behind loaner's back and counts for nothing", table=name[0], row=name[1])
        return False

    def __repr__(self) -> str:
        return "Tags(…)"


def of(connection: Connection) -> Tags:
    """The tags of the store that a connection belongs to."""
    tags: Tags = connection.get_execution_options()["tags"]
    return tags


def add(connection: Connection, table: Table, values: Mapping[str, Any]) -> None:
    """Insert a row with its tag."""
    connection.execute(insert(table).values(**values, tag=of(connection).of(table, values)))


def sound(connection: Connection, table: Table, rows: Iterable[Row[Any]]) -> list[Row[Any]]:
    """Those of the rows that carry a valid tag."""
    tags = of(connection)
    return [row for row in rows if tags.holds(table, dict(row._mapping))]  # noqa: SLF001 - SQLAlchemy's public name


def change(connection: Connection, table: Table, where: ColumnElement[bool], **values: Any) -> int:
    """Change rows and their tags together; how many. A row without a valid tag is left as it is."""
    rows = sound(connection, table, connection.execute(table.select().where(where)).all())
    key = table.primary_key.columns.values()[0]
    changed = 0
    for row in rows:
        whole = {**row._mapping, **values}  # noqa: SLF001
        # Compared with the tag that was read, so that nobody's change in between is signed over.
        same = and_(key == row._mapping[key], table.c.tag == row.tag, where)  # noqa: SLF001
        tag = of(connection).of(table, whole)
        changed += connection.execute(update(table).where(same).values(**values, tag=tag)).rowcount
    return changed


def _tag(key: bytes, table: Table, row: Mapping[str, Any]) -> str:
    left_out = _LOOSE.get(table.name, frozenset()) | {"tag"}
    told = [[name, _plain(row.get(name))] for name in sorted(table.columns.keys()) if name not in left_out]
    text = json.dumps([table.name, told], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hmac.digest(key, text.encode(), "sha256").hex()


def _plain(value: Any) -> Any:
    """As it will be read again: a moment to the millisecond, bytes in hex."""
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    return value.hex() if isinstance(value, bytes) else value


def _id_of(table: Table, row: Mapping[str, Any]) -> str:
    return " ".join(str(row[column.name]) for column in table.primary_key.columns)
