"""How often a method may be called: per method, workspace and app (docs.slack.dev/apis/web-api/rate-limits)."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Callable
from datetime import datetime, timedelta

from loaner.sandbox.slack.errors import RateLimitedError
from loaner.sandbox.slack.methods import PER_MINUTE, Method

_MINUTE = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)


class Limits:
    """Counts in sliding windows. There is one workspace and one app, so the method is the whole key."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._seen: dict[str, deque[datetime]] = defaultdict(deque)

    def count(self, method: Method, *, multiplier: float) -> None:
        """One more call of a method; ``multiplier`` stretches the documented rate, 0 means no limit.

        Raises:
            RateLimitedError: with the seconds until the oldest call leaves the window.
        """
        if multiplier > 0:
            self._take(method.name, _MINUTE, max(1, int(PER_MINUTE[method.tier] * multiplier)))

    def count_post(self, channel: str) -> None:
        """One more message in a channel, of which there may be one a second.

        Raises:
            RateLimitedError: as above.
        """
        self._take(f"post:{channel}", _SECOND, 1)

    def _take(self, key: str, window: timedelta, most: int) -> None:
        now, seen = self._now(), self._seen[key]
        while seen and seen[0] <= now - window:
            seen.popleft()
        if len(seen) >= most:
            raise RateLimitedError(max(1, math.ceil((seen[0] + window - now).total_seconds())))
        seen.append(now)
