"""A question keeps what the person chose to let agents read, while an account is being connected."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("consents")}
    if "reading" not in there:  # a new store: the first revision made today's tables
        op.add_column("consents", sa.Column("reading", sa.JSON()))
