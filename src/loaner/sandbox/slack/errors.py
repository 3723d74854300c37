"""Slack's way to say no: HTTP 200, ``ok: false`` and one word (docs.slack.dev/apis/web-api/#errors)."""

from __future__ import annotations


class SlackError(Exception):
    """One error word, with whatever else the answer carries beside it."""

    def __init__(self, error: str, **extra: object) -> None:
        super().__init__(error)
        self.error = error
        self.extra = extra

    def as_json(self) -> dict[str, object]:
        return {"ok": False, "error": self.error, **self.extra}


class RateLimitedError(SlackError):
    """HTTP 429 with ``Retry-After`` in whole seconds (docs.slack.dev/apis/web-api/rate-limits)."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("ratelimited")
        self.retry_after = retry_after


def missing_argument(name: str) -> SlackError:
    """The common ``invalid_arguments`` answer, which names the field in its metadata."""
    return SlackError("invalid_arguments", response_metadata={"messages": [f"[ERROR] missing required field: {name}"]})
