"""Time as an argument."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

log = structlog.get_logger(__name__)
Now = Callable[[], datetime]
"""Answers the present moment, always in UTC."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def iso(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC, to the millisecond, with ``Z``."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_iso(text: str) -> datetime:
    return datetime.fromisoformat(text)


_STEP = timedelta(seconds=1)
"""What a clock may be put back by without a word: less is how computers correct it."""


class Steady:
    """A clock that goes on where it was when the computer's is set back: what was agreed for an hour ends after one.

    It follows the computer's again once that is set forward to where it would have been.
    """

    def __init__(self, now: Now, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._now, self._elapsed = now, elapsed
        self._last, self._since = now(), elapsed()
        self._ahead = timedelta()
        self._turn = threading.Lock()

    def __call__(self) -> datetime:
        with self._turn:
            at, since = self._now(), self._elapsed()
            # How far the computer's clock went besides the time that passed: set back, or forward.
            step = at - self._last - timedelta(seconds=since - self._since)
            if at < self._last - _STEP:
                self._ahead -= step
                log.error("the clock of this computer was set back, and is not followed", seconds=-step.total_seconds())
            elif self._ahead and step > _STEP:
                self._ahead = max(timedelta(), self._ahead - step)
            self._last, self._since = at, since
            return at + self._ahead
