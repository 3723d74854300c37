"""How the system tells a program to end: all ordinary ways alike, and twice for at once.

A closed terminal (SIGHUP) is as ordinary as Ctrl-C or ``kill``. Under ``nohup`` it is ignored, and stays so.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator

import anyio

from loaner.errors import Exit

_LAST_SECONDS = 2.0
"""After the second signal, until the process is gone whatever it is doing. What was lent is in the journal."""


class Signals:
    """The signals that a server got so far."""

    def __init__(self) -> None:
        self.first: signal.Signals | None = None
        self.told = anyio.Event()
        self.again = anyio.Event()
        self.at_once: list[Callable[[], None]] = []
        """What is done at the second signal."""

    def got(self, number: signal.Signals) -> None:
        if self.first is None:
            self.first = number
            self.told.set()
        elif not self.again.is_set():
            self.again.set()
            for work in self.at_once:
                work()
            asyncio.get_running_loop().call_later(_LAST_SECONDS, os._exit, int(Exit.INTERRUPTED))


def ordinary() -> list[signal.Signals]:
    """Signals that mean: end now, in order."""
    found = [signal.SIGINT, signal.SIGTERM]
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        found.append(signal.SIGHUP)
    return found


@contextlib.contextmanager
def heard() -> Iterator[Signals]:
    """Hear them while the block runs, instead of being ended by them."""
    signals = Signals()
    loop, added = asyncio.get_running_loop(), []
    for number in ordinary():
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C is a KeyboardInterrupt there
            loop.add_signal_handler(number, signals.got, number)
            added.append(number)
    try:
        yield signals
    finally:
        for number in added:
            loop.remove_signal_handler(number)


async def told_to_stop() -> None:
    """Wait for one of them. The program then ends by itself."""
    with heard() as signals:
        await signals.told.wait()
