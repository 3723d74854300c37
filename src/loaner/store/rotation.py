"""Wrapping what is sealed, and tagging what decides something, under a new key, while the servers run.

Only the data key of each value is wrapped anew; the value itself is neither opened nor changed. A row that a server
writes in between keeps what the server wrote, and is looked at again. A tag that no known key has made
stays, and counts for nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
from sqlalchemy import Column, Connection, LargeBinary, Row, Table, func, select, tuple_, update

from loaner.store import tags
from loaner.store.sealing import KEY_ID_AT, KEY_ID_BYTES, Unsealable, key_id_of
from loaner.store.store import Store
from loaner.store.tables import consents, metadata

_BATCH = 200
_SEALED = ("sealed", "code_shown")


@dataclass
class Rotated:
    """What became of the values that other keys had sealed."""

    moved: int = 0
    unreadable: int = 0
    """They do not open under any key that is here, and stay as they are."""


def sealed_columns() -> Iterator[Column[Any]]:
    """Every column that holds sealed values; a test holds them against all columns of bytes."""
    for table in metadata.sorted_tables:
        yield from (column for column in table.columns if column.name in _SEALED)


def tagged_tables() -> Iterator[Table]:
    """Every table whose rows carry a tag."""
    yield from (table for table in metadata.sorted_tables if "tag" in table.columns)


def tagged_before(connection: Connection) -> int:
    """How many rows count by a tag of another key than the one that makes them now."""
    mine = tags.of(connection)
    return sum(
        mine.is_of_an_old_key(table, dict(row._mapping))  # noqa: SLF001 - SQLAlchemy's public name for it
        for table in tagged_tables()
        for row in connection.execute(select(table))
    )


def counted(connection: Connection) -> Counter[bytes]:
    """How many values each key has sealed, by the key's id."""
    found: Counter[bytes] = Counter()
    for column in sealed_columns():
        key_id = _key_id(column)
        rows = connection.execute(select(key_id, func.count()).where(column.is_not(None)).group_by(key_id))
        found.update({bytes(key): many for key, many in rows})
    found.update(key_id_of(bytes.fromhex(shown)) for _, _, shown in _codes(connection))
    return found


async def rewrap(store: Store, told: Callable[[int], None] = lambda _: None) -> Rotated:
    """Wrap everything under the key that seals now; ``told`` how many after each batch. Safe to repeat, and to stop.

    Raises :class:`loaner.errors.StoreUnusable` when the store, or who holds the key, cannot be asked.
    """
    primary = await anyio.to_thread.run_sync(store.sealed.key_id)
    rotated = Rotated()
    while True:
        before, rotated.unreadable = rotated.moved, 0
        for column in sealed_columns():
            await _column(store, column, primary, rotated, told)
        for table in tagged_tables():
            await _tags(store, table, rotated)
        await _shown_codes(store, primary, rotated)
        if rotated.moved == before:  # a whole pass found nothing: whoever writes seals under the new key
            return rotated


async def _column(
    store: Store, column: Column[Any], primary: bytes, rotated: Rotated, told: Callable[[int], None]
) -> None:
    table: Table = column.table
    (identity,) = table.primary_key.columns
    others = select(identity, column).where(column.is_not(None), _key_id(column) != primary).order_by(identity)
    last: Any = None
    while True:
        query = others.limit(_BATCH) if last is None else others.where(identity > last).limit(_BATCH)
        rows = await store.scan(lambda c, query=query: [(row[0], row[1]) for row in c.execute(query)])  # type: ignore[misc]
        if not rows:
            return
        last = rows[-1][0]
        # The holder of the key may be a server elsewhere, and is not asked while other writers wait.
        anew = await anyio.to_thread.run_sync(_anew, store, rows)
        rotated.unreadable += len(rows) - len(anew)

        def put(connection: Connection, anew: list[tuple[Any, bytes, bytes]] = anew) -> int:
            changed = 0
            for row, old, new in anew:
                mine = update(table).where(identity == row, column == old)
                changed += connection.execute(mine.values({column: new})).rowcount
            return changed

        rotated.moved += await store.write(put)
        told(rotated.moved)


async def _tags(store: Store, table: Table, rotated: Rotated) -> None:
    """In batches by the whole primary key; a row that a server changes meanwhile has the server's tag by then."""
    keys = list(table.primary_key.columns)
    last: tuple[Any, ...] | None = None
    while True:
        query = select(table).order_by(*keys).limit(_BATCH)
        if last is not None:
            query = query.where(tuple_(*keys) > last)
        rows = await store.scan(lambda c, query=query: c.execute(query).all())  # type: ignore[misc]
        if not rows:
            return
        last = tuple(rows[-1]._mapping[key] for key in keys)  # noqa: SLF001

        def put(connection: Connection, rows: Sequence[Row[Any]] = rows) -> int:
            return sum(tags.tag_anew(connection, table, row) for row in rows)

        rotated.moved += await store.write(put)


def _anew(store: Store, rows: list[tuple[Any, bytes]]) -> list[tuple[Any, bytes, bytes]]:
    found = []
    for row, sealed in rows:
        try:
            found.append((row, sealed, store.sealed.rewrapped(sealed)))
        except Unsealable:
            continue
    return found


async def _shown_codes(store: Store, primary: bytes, rotated: Rotated) -> None:
    """A provider's user code stands sealed among what a pending consent shows. There are few, for minutes."""

    def work(connection: Connection) -> tuple[int, int]:
        moved = unreadable = 0
        for handle, flow, shown in _codes(connection):
            if key_id_of(bytes.fromhex(shown)) == primary:
                continue
            try:
                new = store.sealed.rewrapped(bytes.fromhex(shown)).hex()
            except Unsealable:
                unreadable += 1
                continue
            changed = update(consents).where(consents.c.handle == handle)
            connection.execute(changed.values(flow=flow | {"user_code": new}))
            moved += 1
        return moved, unreadable

    moved, unreadable = await store.write(work)
    rotated.moved += moved
    rotated.unreadable += unreadable


def _codes(connection: Connection) -> list[tuple[str, dict[str, Any], str]]:
    rows = connection.execute(select(consents.c.handle, consents.c.flow).where(consents.c.sealed.is_not(None)))
    return [(row.handle, row.flow, row.flow["user_code"]) for row in rows if (row.flow or {}).get("user_code")]


def _key_id(column: Column[Any]) -> Any:
    return func.substr(column, KEY_ID_AT, KEY_ID_BYTES, type_=LargeBinary)
