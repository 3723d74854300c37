"""Waiting for a person without a busy loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

Seen = TypeVar("Seen")
LOOK_AGAIN = 2.0
"""Seconds between two looks at the store: another process may have decided, and its bell is not ours."""


class Bell:
    """Rings whenever something was decided in this process."""

    def __init__(self) -> None:
        self._next = anyio.Event()

    def ring(self) -> None:
        rung, self._next = self._next, anyio.Event()
        rung.set()

    async def until(self, look: Callable[[], Awaitable[Seen | None]], seconds: float) -> Seen | None:
        """Look now, at every ring and every :data:`LOOK_AGAIN`; the first that is not ``None``, or ``None`` at last."""
        with anyio.move_on_after(seconds):
            while True:
                # Taken before the look: a ring between the look and the wait must not be slept through.
                ring = self._next
                if (seen := await look()) is not None:
                    return seen
                with anyio.move_on_after(LOOK_AGAIN):
                    await ring.wait()
        return None
