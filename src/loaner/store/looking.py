"""The store for verbs that only look: nothing is made, migrated, or opened for writing, so a full or read-only disk is
no hindrance, and a look leaves no trace.

SQLite's own read-only mode would still make the ``-shm`` and ``-wal`` files of a store that nobody has open
(sqlite.org/wal.html §"Read-Only Databases"). So those of a running server are read as they are, and where there are
none, nobody writes and the file itself is all there is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from loaner.errors import StoreUnusable
from loaner.store import engine as engines
from loaner.store import in_use, schema
from loaner.store.sealing import Unsealable
from loaner.store.store import Store, unusable
from loaner.store.tables import metadata

_WAL = b"\x02"
"""At byte 18 of a file whose journal is a WAL (sqlite.org/fileformat.html §1.3.3)."""


class NoKey:
    """Holds no key: a verb that only looks cannot open anything that is sealed."""

    def wrap(self, data_key: bytes, identity: bytes) -> NoReturn:  # noqa: ARG002 - the protocol's shape
        raise Unsealable("this verb has no key")

    def unwrap(self, wrapped: bytes, identity: bytes) -> NoReturn:  # noqa: ARG002 - the protocol's shape
        raise Unsealable("this verb has no key")

    def derive(self, purpose: str) -> bytes:  # noqa: ARG002 - the protocol's shape
        """Nothing that was made with the real key is good under this, nor the other way round."""
        return os.urandom(32)

    def derived(self, purpose: str, *, anew: bool = False) -> list[bytes]:  # noqa: ARG002 - the protocol's shape
        return [self.derive(purpose)]


class NoStore(Exception):
    """There is none yet; ``where`` it would be."""

    def __init__(self, where: Path) -> None:
        super().__init__(f"there is no store at {where}")
        self.where = where


@contextmanager
def looked_at(url: str) -> Iterator[Store]:
    """The store at ``url``, to read. Raises :class:`NoStore`, and :class:`StoreUnusable` for one of another loaner."""
    engine = _engine(url)
    try:
        with engines.reading(engine).connect() as connection:
            schema.must_be_newest(connection)
    except SQLAlchemyError as failure:
        engine.dispose()
        raise unusable(failure) from None
    except BaseException:
        engine.dispose()
        raise
    with _closing(Store(engine, NoKey())) as store:
        yield store


@contextmanager
def nothing_yet() -> Iterator[Store]:
    """What a store that is not there says: nothing, in memory."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    metadata.create_all(engine)
    with _closing(Store(engine, NoKey())) as store:
        yield store


@contextmanager
def _closing(store: Store) -> Iterator[Store]:
    try:
        yield store
    finally:
        store.close()


def _engine(url: str) -> Engine:
    parsed = make_url(url) if url.startswith("sqlite") else None
    if parsed is None or not parsed.database:
        return engines.create(url)  # a server's, where each look is a read-only transaction
    file = Path(parsed.database)
    in_use.refuse_half(file)
    if not file.exists():
        raise NoStore(file)
    engines.refuse_read_by_others(file)

    def connect(driver: Any) -> Any:
        connection = driver.connect(_as_it_is(file), uri=True, check_same_thread=False)
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {engines.BUSY_MS}")
        return connection

    engine = engines.sqlite_through(connect)
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")  # one snapshot for all that a look reads


def _as_it_is(file: Path) -> str:
    """How to open the file without making or changing another: asked at each look, as servers come and go."""
    path = quote(str(file))
    try:
        with file.open("rb") as opened:
            is_wal = opened.read(19)[18:] == _WAL
    except OSError as failure:
        raise StoreUnusable("loaner's store cannot be read.", log=failure.strerror or "") from None
    wal = file.with_name(f"{file.name}-wal")
    if is_wal and not (wal.exists() and wal.stat().st_size):
        return f"file:{path}?immutable=1"
    return f"file:{path}?mode=ro&readonly_shm=1"
