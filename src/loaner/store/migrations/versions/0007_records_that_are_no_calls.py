"""Records that are no calls are found without reading the calls."""

from alembic import op
from sqlalchemy import inspect

from loaner.store.tables import records

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if "records_other" not in {index["name"] for index in inspect(op.get_bind()).get_indexes("records")}:
        next(index for index in records.indexes if index.name == "records_other").create(op.get_bind())
