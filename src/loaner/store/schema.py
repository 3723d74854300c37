"""The schema's version, and the way to the newest one."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, column, inspect, select, table

from loaner.errors import StoreUnusable
from loaner.store.engine import reading

HEAD = "0010"
"""The newest revision in ``migrations/versions``; a test holds it to what Alembic says. They are numbered."""


def bring_up_to_date(engine: Engine) -> None:
    """Apply the migrations that are missing. A store that is up to date never imports Alembic.

    Raises :class:`StoreUnusable` for the store of a newer loaner: what its columns mean is not known here.
    """
    with reading(engine).connect() as connection:
        if _is_newest(connection):
            return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "loaner.store:migrations")
    with engine.begin() as connection:
        # The lock that "begin" took makes a second process wait here, and find nothing left to do.
        if not _is_newest(connection):
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def must_be_newest(connection: Connection) -> None:
    """For who only looks, and so migrates nothing. Raises :class:`StoreUnusable`."""
    if not _is_newest(connection):
        raise StoreUnusable(
            f"the store is of an earlier loaner (its tables are of revision {current(connection)}, not {HEAD}), and "
            "a verb that only looks changes nothing.",
            do="Start the server once: it brings the store up to date.",
        )


def current(connection: Connection) -> str | None:
    """The revision of this store; ``None`` for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision = table("alembic_version", column("version_num"))
    return connection.execute(select(revision.c.version_num)).scalar()


def _is_newest(connection: Connection) -> bool:
    revision = current(connection)
    if revision is not None and revision > HEAD:
        raise StoreUnusable(
            f"the store was written by a newer loaner (its tables are of revision {revision}, not {HEAD}).",
            do="Start the newer loaner, or name another store.",
        )
    return revision == HEAD
