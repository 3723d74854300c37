"""A session keeps what the issuer says of the person's accounts. Its tag covers that, so people sign in once more."""

from alembic import op
from sqlalchemy import delete, inspect

from loaner.store.tables import web_sessions

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if "accounts" not in {column["name"] for column in inspect(op.get_bind()).get_columns("web_sessions")}:
        op.add_column("web_sessions", web_sessions.c.accounts.copy())
        op.execute(delete(web_sessions))
