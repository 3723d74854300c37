"""Standard output that a reader may leave at any time, as ``head`` does: that is no error."""

from __future__ import annotations

import os
import select
import sys


def is_left() -> bool:
    """Whether nobody reads standard output any more."""
    try:
        descriptor = sys.stdout.fileno()
        poll = select.poll()
        poll.register(descriptor, 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    except (AttributeError, OSError, ValueError):  # no poll here, or no real output
        return False


def discard() -> None:
    """Let what is still to be written go nowhere, so that the interpreter's own end does not fail on it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
