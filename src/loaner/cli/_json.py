"""What ``--json`` gives, said in each help: lists are JSON Lines, one thing is one object; errors are one on stderr."""

from __future__ import annotations

from typing import Final

OBJECT: Final = "One JSON object."
LINES: Final = "JSON Lines: one object for each."
