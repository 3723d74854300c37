"""Whom a text notifies, beside those who come to read it."""

from __future__ import annotations

import re

from pydantic import field_validator

from loaner.catalog.base import Definition


class Mention(Definition):
    """One way to notify somebody by a text."""

    who: str
    """``everybody in the channel``."""
    pattern: str
    """How it stands in a text."""
    broad: bool = False
    """It notifies many: what allows any text does not allow this, which is asked for with its exact words."""

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        re.compile(pattern)
        return pattern
