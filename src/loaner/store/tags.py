"""A keyed tag on each row that decides something: whoever can write to the database, but has no key, adds nothing.

The tag covers every column of its row, save those named here that decide nothing, and is made anew by the statement
that changes the row. It does not notice a row that is gone, or an older row that was put back: the audit chain does.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import ColumnElement, Connection, Row, Table, and_, insert, update

from loaner.store.tables import passkeys

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

    def _keys(self, table: Table, *, anew: bool = False) -> list[bytes]:
        # Asked for at each row: a running server takes a new key, and who only reads the audit needs none.
        return self._sealed.derived("passkeys" if table is passkeys else "rows", anew=anew)

    def of(self, table: Table, row: Mapping[str, Any]) -> str:
        return _tag(self._keys(table)[0], table, row)

    def holds(self, table: Table, row: Mapping[str, Any]) -> bool:
        """Did a holder of the key make this row as it stands? One that nobody did is told of once, in the log."""
        if self._fits(table, row) or self._fits(table, row, anew=True):
            return True
        name = (table.name, _id_of(table, row))
        if name not in self._told and len(self._told) < _TOLD:
            self._told.add(name)
            log.error("a row was altered behind loaner's back and counts for nothing", table=name[0], row=name[1])
        return False

    def is_of_an_old_key(self, table: Table, row: Mapping[str, Any]) -> bool:
        """It holds, by another key than the one that makes tags now."""
        return row["tag"] != self.of(table, row) and self._fits(table, row, anew=True)

    def _fits(self, table: Table, row: Mapping[str, Any], *, anew: bool = False) -> bool:
        found = row["tag"] or ""
        return any(hmac.compare_digest(_tag(key, table, row), found) for key in self._keys(table, anew=anew))

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


def tag_anew(connection: Connection, table: Table, row: Row[Any]) -> int:
    """Tag a row with the key that makes tags now, where another known key has; how many were."""
    tags, whole = of(connection), dict(row._mapping)  # noqa: SLF001
    if not tags.is_of_an_old_key(table, whole):
        return 0
    same = and_(*(key == whole[key.name] for key in table.primary_key.columns), table.c.tag == whole["tag"])
    return connection.execute(update(table).where(same).values(tag=tags.of(table, whole))).rowcount


def _tag(key: bytes, table: Table, row: Mapping[str, Any]) -> str:
    if table is passkeys:  # bytes that no other row has: what people registered is not made anew for a form of its own
        said = (row["subject"].encode(), row["id"].encode(), row["public_key"])
        return hmac.digest(key, b"\x00".join(said), "sha256").hex()
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
