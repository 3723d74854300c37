"""An approval carries the permissions and ids that were shown, and a keyed tag, as do tasks and consent requests.

Rows from before carry no tag and count for nothing: people are asked again. Tasks that run are ended.
"""

import sqlalchemy as sa
from alembic import op

from loaner.store.tables import Moment, metadata

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    metadata.create_all(connection)  # what is new as a whole
    there = {
        name: {column["name"]: column for column in sa.inspect(connection).get_columns(name)}
        for name in ("approvals", "tasks", "consents")
    }
    if "tag" in there["approvals"]:
        return  # a new store: the first revision made today's tables
    with op.batch_alter_table("approvals") as approvals:
        approvals.add_column(sa.Column("effect", sa.Text()))
        approvals.add_column(sa.Column("permissions", sa.JSON()))
        approvals.add_column(sa.Column("ids", sa.JSON()))
        approvals.add_column(sa.Column("tag", sa.String(64)))
        approvals.alter_column("uses_left", existing_type=sa.Integer(), nullable=True)
    op.add_column("tasks", sa.Column("lifted_at", Moment()))
    op.add_column("tasks", sa.Column("tag", sa.String(64)))
    op.add_column("consents", sa.Column("tag", sa.String(64)))
    op.execute("UPDATE tasks SET ended_at = created_at, ended_why = 'loaner was upgraded' WHERE ended_at IS NULL")
