"""Alembic's entry: the connection is handed in by ``loaner.store.schema``."""

from alembic import context

from loaner.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
