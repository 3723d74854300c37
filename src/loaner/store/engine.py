"""Opening the database: which engine, which journal, how a transaction begins."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from loaner.errors import SettingsInvalid

# Engines from 3.7.0 to 3.51.2 can corrupt a WAL file that several connections write and checkpoint
# (sqlite.org/wal.html, "the WAL-reset bug"). Several stdio servers share one file, so older engines
# get the rollback journal.
SAFE_WAL = (3, 51, 3)
BUSY_MS = 15_000


def create(url: str) -> Engine:
    """An engine for ``sqlite:///path`` or ``postgresql+psycopg://…``."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SettingsInvalid("store.url is not a database URL.", do="Use sqlite:///path or postgresql://…") from None
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(url)
    # hide_parameters: an exception must not carry a bound value into a log.
    return create_engine(parsed, hide_parameters=True, pool_pre_ping=True)


def _sqlite(url: str) -> Engine:
    try:
        import pysqlite3.dbapi2 as driver
    except ImportError:
        import sqlite3 as driver

    # Every write is done by the one writer thread; readers run in worker threads with connections of their own.
    engine = create_engine(url, module=driver, hide_parameters=True, connect_args={"check_same_thread": False})
    wal = driver.sqlite_version_info >= SAFE_WAL

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver must not begin or commit behind our back
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        cursor.execute(f"PRAGMA journal_mode = {'WAL' if wal else 'DELETE'}")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA secure_delete = ON")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        # A deferred transaction that turns into a write fails at once when another process wrote in between.
        reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine
