"""A browser's session, and what a passkey is asked to prove, carry a keyed tag. People sign in once more."""

from alembic import op
from sqlalchemy import delete, inspect

from loaner.store.tables import passkey_challenges, web_sessions

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in (web_sessions, passkey_challenges):
        there = {column["name"] for column in inspect(op.get_bind()).get_columns(table.name)}
        if "tag" not in there:  # a new store: the first revision made today's tables
            op.add_column(table.name, table.c.tag.copy())
            op.execute(delete(table))
