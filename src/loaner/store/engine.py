"""Opening the database: which engine, which journal, how a transaction begins.

Both engines carry out one write transaction at a time, across all processes: SQLite because it cannot do otherwise,
PostgreSQL because each begins by taking the same lock. So "look, then write" means the same on both, and no room has
to think about what another process may write in between.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from loaner.errors import SettingsInvalid, StoreUnusable
from loaner.store import in_use
from loaner.store.filesystems import network_kind

# Engines from 3.7.0 to 3.51.2 can corrupt a WAL file that several connections write and checkpoint
# (sqlite.org/wal.html, "the WAL-reset bug"). Several stdio servers share one file, so older engines
# get the rollback journal.
SAFE_WAL = (3, 51, 3)
BUSY_MS = 15_000
_LOOK_AGAIN_MS = 20
_WRITING = 0x6C6F616E6572
"""Names the one writer among PostgreSQL's advisory locks."""
_ANSWERS_WITHIN_MS = 60_000
"""A server that has not answered by then is taken for gone (with TCP_USER_TIMEOUT, Linux)."""


def create(url: str) -> Engine:
    """An engine for ``sqlite:///path`` or ``postgresql://user@host/name``. Raises :class:`SettingsInvalid`."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the latter for a port that is no number
        raise SettingsInvalid("store is not a database URL.", do="Use sqlite:///path or postgresql://…") from None
    match parsed.get_backend_name():
        case "sqlite":
            return _sqlite(parsed)
        case "postgresql":
            return _postgresql(parsed)
        case other:
            raise SettingsInvalid(f"loaner keeps no store in {other}.", do="Use sqlite:///path or postgresql://…")


class TransactionLost(SQLAlchemyError):
    """Some of the work would have been committed without the rest."""


def assure_open(connection: Connection) -> None:
    """Refuse to commit anything but the transaction that was begun. Raises :class:`TransactionLost`.

    SQLite rolls a whole transaction back on some errors, and PostgreSQL answers the COMMIT of one that has failed as
    if nothing were wrong. Work that swallows such an error must not be taken for durable.
    """
    driver: Any = connection.connection.dbapi_connection
    sqlite = connection.dialect.name == "sqlite"
    if not (driver.in_transaction if sqlite else driver.info.transaction_status.name == "INTRANS"):
        raise TransactionLost("the transaction was rolled back under way")


def reading(engine: Engine) -> Engine:
    """The same database for looking only: a snapshot that no writer waits for."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(reading=True)
    return engine.execution_options(reading=True, isolation_level="REPEATABLE READ", postgresql_readonly=True)


def readers_never_wait(engine: Engine) -> bool:
    """Is a look at this database a matter of microseconds, whatever others write meanwhile?"""
    if engine.dialect.name != "sqlite":
        return False
    driver: Any = engine.dialect.dbapi
    return _journal_for(driver, Path(engine.url.database or "")) == "WAL"


def _journal_for(driver: Any, file: Path) -> Literal["WAL", "DELETE"]:
    return "WAL" if driver.sqlite_version_info >= SAFE_WAL and network_kind(file) is None else "DELETE"


def _begin_postgresql(connection: Connection) -> None:
    if not connection.get_execution_options().get("reading", False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITING})")


def _postgresql(url: URL) -> Engine:
    try:
        import psycopg  # noqa: F401 - to tell the person what is missing, before SQLAlchemy does
    except ImportError:
        raise SettingsInvalid(
            "the store is PostgreSQL, and its driver is not installed.",
            do="Where loaner is installed, run: pip install 'psycopg[binary]' (docs/keys-and-stores.md)",
        ) from None
    if url.drivername != "postgresql+psycopg":
        url = url.set(drivername="postgresql+psycopg")
    options = {
        "synchronous_commit": "on",  # what is answered must be durable, whatever the server's own setting
        "lock_timeout": str(BUSY_MS),
        "statement_timeout": str(_ANSWERS_WITHIN_MS),
        # A process that hangs while it holds the writers' lock would stop every other one.
        "idle_in_transaction_session_timeout": str(_ANSWERS_WITHIN_MS),
    }
    connect: dict[str, Any] = {
        "application_name": "loaner",
        "connect_timeout": 5,
        "tcp_user_timeout": _ANSWERS_WITHIN_MS,
        "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
    }
    # What the operator's own URL says stands. hide_parameters: an exception must not carry a bound value into a log.
    connect = {name: value for name, value in connect.items() if name not in url.query}
    engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=connect)
    event.listen(engine, "begin", _begin_postgresql)
    return engine


def sqlite() -> ModuleType:
    """SQLite's own engine, the newer of the two that may be there."""
    try:
        import pysqlite3.dbapi2 as newer
    except ImportError:
        import sqlite3

        return sqlite3
    return newer  # type: ignore[no-any-return]


def sqlite_through(connect: Callable[[ModuleType], Any]) -> Engine:
    """SQLite by connections that the caller makes anew for each look."""
    driver = sqlite()
    return create_engine(
        "sqlite://", creator=lambda: connect(driver), module=driver, poolclass=NullPool, hide_parameters=True
    )


def _sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise SettingsInvalid("a store in memory forgets what has to be given back.", do="Use sqlite:///path")
    release = in_use.shared(Path(url.database))  # before the file is made: a restore may be about to put it there
    try:
        engine = of_file(Path(url.database))
    except BaseException:
        release()
        raise
    event.listen(engine, "engine_disposed", lambda _: release())
    return engine


def of_file(file: Path) -> Engine:
    """An engine on one SQLite file that nobody else knows of: a backup, or a store that is being restored."""
    _private(file)
    driver = sqlite()
    url = URL.create("sqlite", database=str(file))
    # Every write is done by the one writer thread; readers run in worker threads with connections of their own.
    engine = create_engine(url, module=driver, hide_parameters=True, connect_args={"check_same_thread": False})
    journal = _journal_for(driver, file)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver must not begin or commit behind our back
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        now = _journal(driver, cursor, journal)
        if journal == "DELETE" and now == "wal":
            raise StoreUnusable(
                "another program holds the store in a mode in which it may be damaged from here.",
                do="Stop the other loaner, or start both on one computer and from one installation.",
                log=f"SQLite {driver.sqlite_version}, {network_kind(file) or 'a local disk'}",
            )
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA secure_delete = ON")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        # A deferred transaction that turns into a write fails at once when another process wrote in between.
        deferred = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if deferred else "BEGIN IMMEDIATE")

    return engine


def settle(file: Path) -> None:
    """Leave one file without a log beside it, and durable. Nobody may have it open. Raises :class:`StoreUnusable`."""
    with contextlib.closing(sqlite().connect(str(file))) as connection:
        if connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0] != "delete":
            raise StoreUnusable("another program has the file open.")
    with file.open("rb+") as written:
        os.fsync(written.fileno())


def _journal(driver: ModuleType, cursor: Any, wanted: str) -> str:
    """Set the journal; which one it is now. Servers that make a new file together do it one after the other.

    SQLite does not wait for a lock here, whatever its busy timeout is.
    """
    for patience in range(BUSY_MS, -1, -_LOOK_AGAIN_MS):
        try:
            return str(cursor.execute(f"PRAGMA journal_mode = {wanted}").fetchone()[0])
        except driver.OperationalError as failure:
            if patience < _LOOK_AGAIN_MS or "locked" not in str(failure):
                raise
            time.sleep(_LOOK_AGAIN_MS / 1000)
    raise AssertionError  # the last turn answers or raises


def refuse_read_by_others(file: Path) -> None:
    """Raises :class:`SettingsInvalid`."""
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        raise SettingsInvalid(f"{file} can be read by others (mode {mode:04o}).", do=f"Run: chmod 600 {file}")


def _private(file: Path) -> None:
    """Only its owner may read who called what. SQLite gives its journals the mode of the file."""
    try:
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        refuse_read_by_others(file)
    except OSError as failure:
        raise StoreUnusable(
            "loaner's store cannot be opened.",
            do="Check that its folder exists and can be written.",
            log=failure.strerror or "",
        ) from None
