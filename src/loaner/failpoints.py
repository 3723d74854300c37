"""Named instants at which a test may kill this process, to see what a crash exactly there leaves behind.

Why this cannot be abused: no setting, flag, variable or request arms a point; only code that already runs inside the
process can, and all it can then do is end that process. Nothing in this package calls :func:`arm`, and a test pins
that. Where nothing is armed, passing a point is one comparison.
"""

from __future__ import annotations

import os
import signal

POINTS = (
    "intent.before",
    "intent.written",
    "mint.before",
    "mint.answered",
    "credential.sealed",
    "call.before",
    "call.answered",
    "outcome.written",
    "revoke.before",
    "revoke.answered",
    "return.written",
    "audit.appended",
    "refresh.leased",
    "refresh.answered",
    "refresh.written",
    "consent.answered",
    "consent.kept",
    "consent.settled",
)
"""In the order of a call's life: ``before`` and ``answered`` surround a request to a provider; ``written`` is durable;
``audit.appended`` and ``consent.kept`` are inside a transaction that has not committed."""
RESTORING = ("restore.built", "restore.decided", "restore.moved", "restore.replaced")
"""A restore of the store is no call: its steps are renames of whole files."""

_armed: str | None = None
_passes = 0


def reached(point: str) -> None:
    """This process is at ``point``; where a test wants it so, it gets no further."""
    if _armed is not None:
        _hit(point)


def arm(point: str, *, passes: int = 0) -> None:
    """End this process by SIGKILL at ``point``, letting it pass so many times first. For tests only.

    Raises :class:`ValueError` for a point that does not exist: a test that waits for it would prove nothing.
    """
    global _armed, _passes
    if point not in (*POINTS, *RESTORING):
        raise ValueError(f"no such failpoint: {point}")
    _armed, _passes = point, passes


def _hit(point: str) -> None:
    global _passes  # noqa: PLW0603
    if point != _armed:
        return
    if _passes:
        _passes -= 1
        return
    os.kill(os.getpid(), signal.SIGKILL)
