"""The sandbox's time: the wall clock, which a test may push forward so that tokens grow old at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def wall_clock() -> datetime:
    return datetime.now(UTC)


class SandboxClock:
    """Callable, so that it can be handed on wherever a ``now`` is wanted."""

    def __init__(self, base: Callable[[], datetime] = wall_clock) -> None:
        self._base = base
        self._ahead = timedelta()

    def now(self) -> datetime:
        return self._base() + self._ahead

    __call__ = now

    def advance(self, seconds: float) -> None:
        """Move forward by so many seconds.

        Raises:
            ValueError: for a negative number; a provider's clock never runs backwards.
        """
        if seconds < 0:
            raise ValueError("the sandbox's clock only goes forward")
        self._ahead += timedelta(seconds=seconds)
