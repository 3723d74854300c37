"""Which long texts were opened whole before an answer."""

from alembic import op

from loaner.store.tables import metadata

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    metadata.create_all(op.get_bind())  # what is new as a whole
