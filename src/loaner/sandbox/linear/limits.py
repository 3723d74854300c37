"""Linear's rate limits (linear.app/developers/rate-limiting): leaky buckets per user for requests and complexity, one
more for searching, all told in ``X-RateLimit-*`` headers whose reset is in milliseconds since the epoch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from loaner.sandbox.switches import Switches

_HOUR = timedelta(hours=1)
_SEARCHES = (30, timedelta(minutes=1))
"""Of the query ``searchIssues``: 30 a minute, by its description in the schema."""


class Bucket:
    """So many points in a period, flowing back evenly."""

    def __init__(self, now: Callable[[], datetime], period: timedelta) -> None:
        self._now = now
        self._period = period
        self._spent = 0.0
        self._at = now()

    def take(self, points: int, limit: int) -> bool:
        """Spend points, unless that would be more than there are; then spend none."""
        self._flow(limit)
        if self._spent + points > limit:
            return False
        self._spent += points
        return True

    def headers(self, prefix: str, limit: int) -> dict[str, str]:
        self._flow(limit)
        full_again = self._now() + self._period * (self._spent / limit)
        return {
            f"{prefix}-Limit": str(limit),
            f"{prefix}-Remaining": str(int(limit - self._spent)),
            f"{prefix}-Reset": str(round(full_again.timestamp() * 1000)),
        }

    def told(self, name: str, limit: int, points: int) -> dict[str, object]:
        """As ``rateLimitStatus`` has it; ``points`` is what this request took."""
        self._flow(limit)
        full_again = self._now() + self._period * (self._spent / limit)
        return {
            "type": name,
            "requestedAmount": points,
            "allowedAmount": limit,
            "period": self._period / timedelta(milliseconds=1),
            "remainingAmount": int(limit - self._spent),
            "reset": round(full_again.timestamp() * 1000),
        }

    def _flow(self, limit: int) -> None:
        now = self._now()
        self._spent = max(0.0, self._spent - limit * ((now - self._at) / self._period))
        self._at = now


class Limits:
    """The buckets of one user."""

    def __init__(self, now: Callable[[], datetime], switches: Switches) -> None:
        self._switches = switches
        self._requests = Bucket(now, _HOUR)
        self._complexity = Bucket(now, _HOUR)
        self._searches = Bucket(now, _SEARCHES[1])
        self._cost = 0

    def spend(self, complexity: int, *, searching: bool) -> str | None:
        """Count one request in, or say which limit it is over."""
        if not self._requests.take(1, self._switches.linear_requests_per_hour):
            return "requests"
        if searching and not self._searches.take(1, _SEARCHES[0]):
            return "searchIssues"
        if not self._complexity.take(complexity, self._switches.linear_complexity_per_hour):
            return "complexity"
        self._cost = complexity
        return None

    def told(self) -> list[dict[str, object]]:
        """How the limits stand after this request, for the query ``rateLimitStatus``."""
        switches = self._switches
        return [
            self._requests.told("requests", switches.linear_requests_per_hour, 1),
            self._complexity.told("complexity", switches.linear_complexity_per_hour, self._cost),
        ]

    def headers(self, complexity: int, *, searching: bool) -> dict[str, str]:
        switches = self._switches
        shown = {"X-Complexity": str(complexity)}
        shown |= self._requests.headers("X-RateLimit-Requests", switches.linear_requests_per_hour)
        shown |= self._complexity.headers("X-RateLimit-Complexity", switches.linear_complexity_per_hour)
        if searching:
            shown |= self._searches.headers("X-RateLimit-Endpoint-Requests", _SEARCHES[0])
            shown["X-RateLimit-Endpoint-Name"] = "searchIssues"
        return shown
