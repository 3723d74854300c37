"""A verb that is told to end by ``kill`` or a closed terminal ends as by Ctrl-C: in order, with what it began undone.

A server hears these signals itself (:mod:`loaner.cli._signals`). Under ``nohup`` SIGHUP stays ignored.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

_DIED = 128
"""Added to the number of a signal, as a shell does."""


@dataclass
class Interruption:
    """The signal that came first, if one did."""

    by: int | None = None

    def code(self, otherwise: int) -> int:
        """What to exit with."""
        return otherwise if self.by is None else _DIED + self.by


@contextmanager
def heard() -> Iterator[Interruption]:
    """While the block runs, each of them raises what Ctrl-C raises, and cancels what it cancels."""
    told = Interruption()

    def got(number: int, frame: FrameType | None) -> None:
        told.by = told.by or number
        interrupt = signal.getsignal(signal.SIGINT)  # inside asyncio this cancels the main task first
        (interrupt if callable(interrupt) else signal.default_int_handler)(signal.SIGINT, frame)

    before = {}
    for name in ("SIGTERM", "SIGHUP") if sys.platform != "win32" else ("SIGTERM",):
        number = signal.Signals[name]
        if signal.getsignal(number) is signal.SIG_DFL:
            before[number] = signal.signal(number, got)
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
