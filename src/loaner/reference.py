"""What an error that a person sees and its line in the log have in common."""

from __future__ import annotations

import secrets
from typing import Final

_LETTERS: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Without those that are mistaken for one another when they are read out."""
LENGTH: Final = 6


def new_reference() -> str:
    """A short id that a person can read out and an operator can find in the log."""
    return "".join(secrets.choice(_LETTERS) for _ in range(LENGTH))
