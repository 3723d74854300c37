"""What a person should know although nothing stops: one line on stderr, which stdio leaves to us."""

from __future__ import annotations

import sys

from loaner.characters import marked


def note(line: str) -> None:
    """A folder of somebody else may stand in it, and must not act on the terminal."""
    sys.stderr.write(f"loaner: {marked(line, prose=True)}\n")
