"""The command line: one file per verb.

Importing this must stay cheap: a verb imports what it needs when it runs.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the verb that was typed, and turn every failure into words and an exit code."""
    from loaner.cli import _own_memory
    from loaner.cli._app import run

    _own_memory.close_to_others()
    sys.exit(run(sys.argv[1:]))
