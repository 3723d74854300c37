"""GitHub's primary rate limits.

GitHub docs "Rate limits for the REST API": an hour's window per user (all tokens together) or installation; searching
has its own, smaller window of a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from loaner.sandbox.github.errors import ApiError
from loaner.sandbox.switches import Switches

CORE = "core"
SEARCH = "search"
CODE_SEARCH = "code_search"
FREE = ""
"""The bucket of what costs nothing."""
ANONYMOUS = "anonymous"
ANONYMOUS_LIMIT = 60


@dataclass
class _Window:
    ends: datetime
    used: int = 0


class RateLimits:
    """Counts requests per subject and bucket."""

    def __init__(self, now: Callable[[], datetime], switches: Switches) -> None:
        self._now = now
        self._switches = switches
        self._windows: dict[tuple[str, str], _Window] = {}

    def limits(self, subject: str) -> dict[str, int]:
        """Requests per window, by bucket."""
        core = ANONYMOUS_LIMIT if subject == ANONYMOUS else self._switches.github_hourly_limit
        return {CORE: core, SEARCH: 30, CODE_SEARCH: 10}

    def spend(self, subject: str, bucket: str) -> dict[str, str]:
        """Count one request and give the headers to send.

        Raises:
            ApiError: 403 when the window is used up.
        """
        if bucket == FREE:
            return {}
        window = self._window(subject, bucket)
        limit = self.limits(subject)[bucket]
        exceeded = window.used >= limit
        window.used += not exceeded
        headers = {f"x-ratelimit-{name}": str(value) for name, value in self._shown(window, limit).items()}
        headers["x-ratelimit-resource"] = bucket
        if exceeded:
            raise ApiError(403, f"API rate limit exceeded for user {subject}.", headers=headers)
        return headers

    def overview(self, subject: str) -> dict[str, object]:
        """``GET /rate_limit``, which costs nothing."""
        resources = {
            name: self._shown(self._window(subject, name), limit) for name, limit in self.limits(subject).items()
        }
        return {"resources": resources, "rate": resources[CORE]}

    def _shown(self, window: _Window, limit: int) -> dict[str, int]:
        ends = int(window.ends.timestamp())
        return {"limit": limit, "remaining": limit - window.used, "used": window.used, "reset": ends}

    def _window(self, subject: str, bucket: str) -> _Window:
        length = timedelta(hours=1) if bucket == CORE else timedelta(minutes=1)
        window = self._windows.get((subject, bucket))
        if window is None or window.ends <= self._now():
            window = self._windows[subject, bucket] = _Window(self._now() + length)
        return window
