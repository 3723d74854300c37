"""The client's side of RFC 8628, without I/O and without a clock.

A flow is a generator: it yields what to send and how long to wait, and receives the answers. Whoever drives it owns
the wire and the time. As a flow outlives a process, :func:`poll` can be started again from what was stored.

GitHub departs from the RFC, and both are understood: errors arrive with HTTP 200, ``slow_down`` names the new
interval, and an expired code may be called ``token_expired``
(https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps#device-flow).
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from loaner.secret import Secret

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
DEFAULT_INTERVAL = 5
SLOW_DOWN = 5
MAX_INTERVAL = 300
"""No person waits for a slower one, and a provider must not be able to park a flow for good."""

Body = Mapping[str, Any]
"""A JSON answer. ``None`` in its place: no answer came."""


@dataclass(frozen=True)
class Send:
    """Post these fields to the endpoint that the flow is at."""

    form: Mapping[str, str | Secret]


@dataclass(frozen=True)
class Wait:
    """Send nothing for this many seconds. Sticky: it never gets shorter within a flow (RFC 8628 §3.5)."""

    seconds: int


@dataclass(frozen=True)
class Started:
    """What the device authorization endpoint answered. Lifetimes in seconds."""

    device_code: Secret
    user_code: str
    verification_uri: str
    expires_in: int
    interval: int


class FlowEnded(Exception):
    """The flow is over without tokens. ``why`` is ``denied``, ``expired``, ``settings`` (an operator has to correct how
    the app is registered here or there) or ``failed``; ``word`` is the provider's error code and safe to log, as only
    known ones are kept."""

    def __init__(self, why: str, word: str) -> None:
        super().__init__(f"{why}: {word}")
        self.why = why
        self.word = word


_ENDINGS = {
    "access_denied": "denied",
    "expired_token": "expired",
    "token_expired": "expired",
    "incorrect_device_code": "failed",
    "incorrect_client_credentials": "settings",
    "device_flow_disabled": "settings",
    "unsupported_grant_type": "settings",
    "invalid_grant": "failed",
    "invalid_client": "settings",
    "invalid_request": "failed",
    "unauthorized_client": "settings",
    "invalid_scope": "settings",
}


def start(client_id: str, scope: str | None) -> Generator[Send, Body | None, Started]:
    """Device authorization (RFC 8628 §3.1, §3.2). Raises :class:`FlowEnded`."""
    answer = yield Send({"client_id": client_id} | ({"scope": scope} if scope else {}))
    if answer is None:
        raise FlowEnded("failed", "no_answer")
    if "error" in answer:
        raise _ended(answer)
    code, shown, page = (answer.get(name) for name in ("device_code", "user_code", "verification_uri"))
    if not all(isinstance(value, str) and value for value in (code, shown, page)) or not _is_page(str(page)):
        raise FlowEnded("failed", "malformed_answer")
    return Started(
        device_code=Secret(str(code)),
        user_code=str(shown),
        verification_uri=str(page),
        expires_in=_whole(answer.get("expires_in"), 900),
        interval=_interval(answer.get("interval"), DEFAULT_INTERVAL),
    )


def poll(client_id: str, device_code: Secret, interval: int) -> Generator[Send | Wait, Body | None, Body]:
    """Ask for the tokens until there are some (RFC 8628 §3.4, §3.5); every asking is preceded by a :class:`Wait`.

    Returns the token answer. Raises :class:`FlowEnded`, and asks no more.
    """
    while True:
        yield Wait(interval)
        answer = yield Send({"client_id": client_id, "device_code": device_code, "grant_type": GRANT_TYPE})
        if answer is None:
            # No answer: back off exponentially, as RFC 8628 §3.5 asks of clients.
            interval = min(interval * 2, MAX_INTERVAL)
            continue
        word = answer.get("error")
        if word is None and answer.get("access_token"):
            return answer
        if word == "slow_down":
            interval = max(min(interval + SLOW_DOWN, MAX_INTERVAL), _interval(answer.get("interval"), interval))
        elif word != "authorization_pending":
            raise _ended(answer)


def _ended(answer: Body) -> FlowEnded:
    word = answer.get("error")
    if isinstance(word, str) and word in _ENDINGS:
        return FlowEnded(_ENDINGS[word], word)
    # An unknown word is not repeated: it is the provider's prose, or an attacker's.
    return FlowEnded("failed", "unknown_error")


def _interval(value: Any, otherwise: int) -> int:
    return min(max(_whole(value, otherwise), 1), MAX_INTERVAL)


def _whole(value: Any, otherwise: int) -> int:
    """Seconds from JSON; GitHub's form encoding of the same answer would give digits."""
    if isinstance(value, bool):
        return otherwise
    if isinstance(value, int | float) and 0 < value < math.inf:
        return int(value)
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and value != "0" else otherwise


def _is_page(address: str) -> bool:
    """It becomes a link for a person, so nothing but a web page: never ``javascript:``."""
    parts = urlsplit(address)
    return parts.scheme in {"https", "http"} and bool(parts.hostname) and not parts.username
