"""Requests whose answer is the only copy of a key: a stop waits until it is written down, for a while.

What is asked for in this way is written down beforehand. So where the wait is too short, it stays listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from loaner.errors import ProviderUnavailable

SECONDS = 10.0
"""How long the end of the process waits for them."""


class Unbroken:
    def __init__(self) -> None:
        self.closing = False
        """The process ends: nothing is begun that could wait for the next one."""
        self._under_way: set[anyio.CancelScope] = set()
        self._none = anyio.Event()

    @contextmanager
    def section(self) -> Iterator[None]:
        """From the request until what came is stored. Whoever goes away meanwhile does not end it.

        Raises :class:`ProviderUnavailable` where the end of the process did not wait any longer.
        """
        scope = anyio.CancelScope(shield=True)
        self._under_way.add(scope)
        try:
            with scope:
                yield
        finally:
            self._under_way.discard(scope)
            if not self._under_way:
                self._none.set()
                self._none = anyio.Event()
        if scope.cancelled_caught:
            raise ProviderUnavailable(
                "this loaner was stopped before the provider answered.", do="Repeat the call in a minute."
            )

    async def finish(self) -> None:
        """Wait for all that is under way; then end the rest."""
        self.closing = True
        with anyio.move_on_after(SECONDS, shield=True):
            await self._over()
        for scope in list(self._under_way):
            scope.cancel()
        with anyio.move_on_after(1, shield=True):
            await self._over()

    async def _over(self) -> None:
        while self._under_way:
            await self._none.wait()
