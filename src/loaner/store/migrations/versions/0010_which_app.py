"""Grants and loans say which app they are of. Of those before nobody knows: nothing proves them dead but their age."""

from alembic import op
from sqlalchemy import inspect

from loaner.store.tables import grants, loans

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in (grants, loans):
        if "client_id" not in {column["name"] for column in inspect(op.get_bind()).get_columns(table.name)}:
            op.add_column(table.name, table.c.client_id.copy())
