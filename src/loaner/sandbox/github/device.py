"""GitHub's device flow as a state machine, with GitHub's own departures from RFC 8628.

GitHub docs "Authorizing OAuth apps", device flow: codes live 900 s, are polled every 5 s, every ``slow_down`` adds 5 s
for good and names the new interval, and the person may type a code 50 times an hour.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

LIFETIME = timedelta(seconds=900)
INTERVAL = 5
SLOWER = 5
SUBMISSIONS_AN_HOUR = 50
# A client that waits exactly the interval must not be punished for a timer that fires a hair early.
GRACE = timedelta(milliseconds=100)

_CONSONANTS = "BCDFGHJKLMNPQRSTVWXZ"


@dataclass
class DeviceCode:
    device_code: str
    user_code: str
    expires_at: datetime
    interval: int = INTERVAL
    polled_at: datetime | None = None
    state: Literal["pending", "approved", "denied"] = "pending"
    login: str | None = None


class DeviceCodes:
    """The codes of one app."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._codes: dict[str, DeviceCode] = {}
        self._submissions: list[datetime] = []

    def issue(self, interval: int = INTERVAL) -> DeviceCode:
        letters = "".join(secrets.choice(_CONSONANTS) for _ in range(8))
        code = DeviceCode(secrets.token_hex(20), f"{letters[:4]}-{letters[4:]}", self._now() + LIFETIME, interval)
        self._codes[code.device_code] = code
        return code

    def submit(self, user_code: str) -> DeviceCode | None:
        """A person typed this. ``None`` for a code that is unknown, over or already answered.

        Raises:
            TooManySubmissions: after fifty within the hour, right or wrong.
        """
        since = self._now() - timedelta(hours=1)
        self._submissions = [at for at in self._submissions if at > since]
        if len(self._submissions) >= SUBMISSIONS_AN_HOUR:
            raise TooManySubmissions
        self._submissions.append(self._now())
        return self.waiting(user_code)

    def waiting(self, user_code: str) -> DeviceCode | None:
        """The code that still waits for its answer. Case and hyphen do not matter."""
        typed = user_code.strip().upper().replace("-", "")
        for code in self._codes.values():
            if code.user_code.replace("-", "") == typed and code.state == "pending" and code.expires_at > self._now():
                return code
        return None

    def answer(self, code: DeviceCode, login: str, *, allowed: bool) -> None:
        code.state, code.login = ("approved" if allowed else "denied"), login

    def poll(self, device_code: str, *, expired_word: str) -> str | PollProblem:
        """One poll: the login that approved, or what to tell the client. A code that was answered is then gone."""
        code = self._codes.get(device_code)
        if code is None:
            return PollProblem("incorrect_device_code", "The device_code provided is not valid.")
        if code.expires_at <= self._now():
            return PollProblem(expired_word, "This 'device_code' has expired.")
        early = code.polled_at and self._now() < code.polled_at + timedelta(seconds=code.interval) - GRACE
        code.polled_at = self._now()
        if early:
            code.interval += SLOWER
            return PollProblem("slow_down", "Too many requests have been made in the same timeframe.", code.interval)
        if code.state == "pending":
            return PollProblem("authorization_pending", "The authorization request is still pending.")
        del self._codes[device_code]
        if code.state == "denied" or code.login is None:
            return PollProblem("access_denied", "The authorization request was denied.")
        return code.login


@dataclass(frozen=True)
class PollProblem:
    error: str
    description: str
    interval: int | None = None


class TooManySubmissions(Exception):
    """The hourly number of codes typed is used up."""
