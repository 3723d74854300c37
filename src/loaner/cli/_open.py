"""The store, opened for a verb that looks at it: no server, no providers, and no key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from loaner.errors import UsageError
from loaner.settings import Settings, load
from loaner.store import Store
from loaner.store.looking import NoStore, looked_at


@contextmanager
def opened_store(settings: Settings | None = None) -> Iterator[Store]:
    """The store of ``settings``, or of this ``LOANER_HOME``, to read.

    Raises :class:`UsageError` where there is none: looking must not make an empty one and call it good.
    """
    with ExitStack() as stack:
        try:
            store = stack.enter_context(looked_at((settings or load()).store_url))
        except NoStore as nowhere:
            raise UsageError(f"{nowhere}.", do="Set LOANER_HOME to the one that the server uses.") from None
        yield store
