"""The store as a file, for the verbs that handle it as one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from loaner.errors import UsageError

if TYPE_CHECKING:
    from loaner.settings import Settings


def of(settings: Settings, *, do: str) -> Path:
    """Where the SQLite store is. Raises :class:`UsageError` with ``do`` for a database server."""
    from sqlalchemy.engine import make_url

    url = make_url(settings.store_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        raise UsageError("the store is a PostgreSQL database, and no file.", do=do)
    return Path(url.database)
