"""No log line may be repeated without end: whoever can cause one could fill the disk with it, and hide the others."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from typing import Any, Final

import structlog

_WINDOW: Final = 60.0
"""Seconds."""
_PER_KIND: Final = 30
_IN_ALL: Final = 600
_KINDS: Final = 256
_EVERYTHING: Final = ""


class Throttle:
    """Counts lines by kind: the logger and the template, never what came in from outside."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: OrderedDict[str, list[float]] = OrderedDict()

    def left_out(self, kind: str) -> int | None:
        """How many lines of this kind were left out since the last one; ``None`` where this one is, too."""
        at = self._clock()
        own = self._count(kind, at, _PER_KIND)
        return own if own is None or self._count(_EVERYTHING, at, _IN_ALL) is not None else None

    def _count(self, kind: str, at: float, most: int) -> int | None:
        began, count, dropped = self._windows.setdefault(kind, [at, 0, 0])
        told = 0
        if at - began >= _WINDOW:
            began, count, told, dropped = at, 0, int(dropped), 0
        passes = count < most
        self._windows[kind] = [began, count + passes, dropped + (not passes)]
        self._windows.move_to_end(kind)  # the one heard of the longest ago is forgotten first
        if len(self._windows) > _KINDS:
            self._windows.popitem(last=False)
        return told if passes else None


class Filter(logging.Filter):
    """For a handler of the standard library's logging."""

    def __init__(self, throttle: Throttle) -> None:
        super().__init__()
        self._throttle = throttle

    def filter(self, record: logging.LogRecord) -> bool:
        left_out = self._throttle.left_out(f"{record.name} {str(record.msg)[:80]}")
        if left_out:
            record.msg = f"{record.msg} ({left_out} more like this were left out)"
        return left_out is not None


def processor(throttle: Throttle) -> structlog.typing.Processor:
    """For structlog."""

    def process(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        left_out = throttle.left_out(str(event.get("event"))[:80])
        if left_out is None:
            raise structlog.DropEvent
        if left_out:
            event["left_out"] = left_out
        return event

    return process
