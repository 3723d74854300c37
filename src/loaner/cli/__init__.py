"""The command line: one file per verb.

Importing this must stay cheap: a verb imports what it needs when it runs.
"""

from __future__ import annotations

import gc
import sys

_OBJECTS_BETWEEN_LOOKS = 10_000
"""For garbage. Most of what a start makes stays, and looking through it each 700 is an eighth of the start."""


def main() -> None:
    """Run the verb that was typed, and turn every failure into words and an exit code."""
    gc.set_threshold(_OBJECTS_BETWEEN_LOOKS, *gc.get_threshold()[1:])
    from loaner.cli import _interrupted, _own_memory
    from loaner.cli._app import run

    _own_memory.close_to_others()
    with _interrupted.heard() as told:
        code = run(sys.argv[1:])
    sys.exit(told.code(code))
