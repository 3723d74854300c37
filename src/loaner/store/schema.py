"""The schema's version, and the way to the newest one."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, column, inspect, select, table

HEAD = "0001"
"""The newest revision in ``migrations/versions``; a test holds it to what Alembic says."""


def bring_up_to_date(engine: Engine) -> None:
    """Apply the migrations that are missing. A store that is up to date never imports Alembic."""
    with engine.connect() as connection:
        if current(connection) == HEAD:
            return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "loaner.store:migrations")
    with engine.begin() as connection:
        # The lock that "begin" took makes a second process wait here, and find nothing left to do.
        if current(connection) != HEAD:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision = table("alembic_version", column("version_num"))
    return connection.execute(select(revision.c.version_num)).scalar()
