"""A grant says where its provider was. Of those before nobody knows: they go on as they did."""

from alembic import op
from sqlalchemy import inspect

from loaner.store.tables import grants

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if "place" not in {column["name"] for column in inspect(op.get_bind()).get_columns("grants")}:
        op.add_column("grants", grants.c.place.copy())
