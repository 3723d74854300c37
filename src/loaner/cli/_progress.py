"""How far a long verb is, on stderr and only where somebody watches."""

from __future__ import annotations

import sys
from collections.abc import Callable


def shown(what: str, *, as_json: bool) -> Callable[[int, int], None]:
    """A function that hears how much is done, and of how much."""
    last = -1

    def told(done: int, whole: int) -> None:
        nonlocal last
        percent = 100 * done // whole if whole else 100
        if as_json or not sys.stderr.isatty() or percent == last:
            return
        last = percent
        print(f"\r{what}: {percent} %", end="\n" if percent == 100 else "", file=sys.stderr, flush=True)  # noqa: PLR2004

    return told
