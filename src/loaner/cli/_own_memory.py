"""What a process of loaner holds in memory is for nobody else of the same user, as far as the system can be asked."""

from __future__ import annotations

import contextlib
import sys

_PR_SET_DUMPABLE = 4
"""prctl(2)."""


def close_to_others() -> None:
    """Leave no core dump and, on Linux, let nobody but root trace this process or read its memory or environment.

    An agent often runs as the same user, and what it could read there lives: a grant's tokens while they are used, an
    app's secret, the sealing key (proc(5), ptrace(2): a process that is not "dumpable"). Elsewhere the system decides.
    """
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
