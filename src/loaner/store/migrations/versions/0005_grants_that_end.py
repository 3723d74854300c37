"""A grant that is used no more stays listed, with its attempts, until it is over at its provider."""

from alembic import op
from sqlalchemy import inspect, update

from loaner.store.tables import grants

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_NEW = ("ends_at", "attempts", "next_attempt_at", "last_error", "refused", "refused_at")


def upgrade() -> None:
    there = {column["name"] for column in inspect(op.get_bind()).get_columns("grants")}
    for name in _NEW:
        if name not in there:
            op.add_column("grants", grants.c[name].copy())
    # What was thrown away unsent is listed from now on, except where the provider had refused to renew it.
    refused = (grants.c.state == "disabled") & (grants.c.reason == "the provider refused the refresh token")
    op.execute(update(grants).where(refused, grants.c.sealed.is_(None)).values(state="revoked"))
    known = (grants.c.refresh_expires_at.is_not(None)) & (grants.c.ends_at.is_(None))
    op.execute(update(grants).where(known).values(ends_at=grants.c.refresh_expires_at))
