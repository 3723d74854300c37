"""What runs beside the calls goes on, whatever one look meets: a damaged row, a store that is away, a fault of ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NoReturn

import anyio
import structlog

from loaner.errors import LoanerError

log = structlog.get_logger(__name__)

Work = Callable[[], Awaitable[object]]


async def every(pause: float | Work, work: Work, *, what: str, at_once: bool = True) -> NoReturn:
    """Do ``work`` again and again until cancelled; ``what`` says in the log what failed.

    ``pause`` is in seconds, or waits for the next time itself. Not ``at_once``: it comes before the first time.
    """
    while True:
        if at_once:
            await attempt(work, what=what)
        await (anyio.sleep(pause) if isinstance(pause, int | float) else pause())
        at_once = True


async def attempt(work: Work, *, what: str) -> None:
    """Do ``work`` once. What it raises is logged, and stops nothing; a cancellation does."""
    failed = f"{what} failed"
    try:
        await work()
    except LoanerError as failure:  # the store, or whoever holds the key, is away: the calls say so too
        log.warning(failed, reason=failure.log or failure.cause)
    except Exception:  # of one row, or of one thing that nobody foresaw: the next time comes
        log.exception(failed)
