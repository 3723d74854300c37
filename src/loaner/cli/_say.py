"""What a verb prints for a person: names and texts of others stand in it, and none may act on the terminal."""

from __future__ import annotations

from typing import TextIO

from loaner.characters import marked


def say(text: str = "", *, file: TextIO | None = None) -> None:
    """Print lines in which every character is seen as it is; ``json.dumps`` escapes them by itself."""
    print(marked(text, prose=True), file=file)
