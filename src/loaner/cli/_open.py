"""The store, opened for a verb that looks at it: no server, no providers, and no key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from loaner.errors import StoreUnusable, UsageError
from loaner.settings import Settings, load
from loaner.store import Store, Unsealable
from loaner.store import engine as engines
from loaner.store.schema import bring_up_to_date


class NoKey:
    """Holds no key: a verb that only looks cannot open anything that is sealed."""

    def wrap(self, data_key: bytes, identity: bytes) -> NoReturn:  # noqa: ARG002 - the protocol's shape
        raise Unsealable("this verb has no key")

    def derive(self, purpose: str) -> NoReturn:  # noqa: ARG002 - the protocol's shape
        raise Unsealable("this verb has no key")

    def unwrap(self, wrapped: bytes, identity: bytes) -> NoReturn:  # noqa: ARG002 - the protocol's shape
        raise Unsealable("this verb has no key")


@contextmanager
def opened_store(settings: Settings | None = None) -> Iterator[Store]:
    """The store of ``settings``, or of this ``LOANER_HOME``.

    Raises :class:`UsageError` where there is none: looking must not make an empty one and call it good.
    """
    settings = settings or load()
    file = make_url(settings.store_url).database if settings.store_url.startswith("sqlite") else None
    if file and not Path(file).exists():
        raise UsageError(f"there is no store at {file}.", do="Set LOANER_HOME to the one that the server uses.")
    try:
        engine = engines.create(settings.store_url)
        bring_up_to_date(engine)
    except SQLAlchemyError as failure:
        raise StoreUnusable("loaner's store cannot be opened.", log=str(getattr(failure, "orig", failure))) from None
    store = Store(engine, NoKey())
    try:
        yield store
    finally:
        store.close()
