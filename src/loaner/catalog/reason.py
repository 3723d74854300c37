"""Why a provider refuses: a closed list of reasons, how to tell each of them, and our words for it.

What a provider writes for people is compared and never repeated. What fits none is told in general
words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from loaner.catalog.base import Definition
from loaner.catalog.result import look

FailureCode = Literal[
    "not_found",
    "forbidden",
    "rejected",
    "rate_limited",
    "grant_broken",
    "scope_missing",
    "unavailable",
    "outdated",
]
"""What a provider's error word means to us. ``outdated``: our request is not as it takes them, whatever was asked."""
CODES: frozenset[str] = frozenset(get_args(FailureCode))

_MESSAGES = ("message", "extensions.userPresentableMessage")
_LONGEST = 2_000
"""Characters of a message that is compared."""


class Reason(Definition):
    """One reason, told by its signs, of which all that are given have to be there, or by an error word alone."""

    name: str = Field(pattern=r"^[a-z_]{3,40}$")
    """For the log and the record."""
    source: str = Field(pattern=r"^https://")
    """The page of the provider's documentation that says so."""
    statuses: tuple[int, ...] = ()
    """None for a reason that only error words tell."""
    header: str | None = None
    """A header that begins with ``required``."""
    message: str | None = None
    """Pattern of the whole message, or of the message of one of its errors."""
    code: str | None = None
    """The code of one of its errors."""
    means: Literal["forbidden", "rejected", "not_found"] = "forbidden"
    """How the refusal counts."""
    cause: str
    """What happened, with ``{target}``: the account that the call is about."""
    do: str
    """What to do about it, with ``{target}`` and ``{link}``."""
    link: str | None = None
    """A page of the provider, ``host-key:/path`` with ``{target}``: ours, never the answer's own link."""

    @field_validator("message")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            re.compile(pattern)
        return pattern

    @model_validator(mode="after")
    def _names_its_link(self) -> Reason:
        if ("{link}" in self.do) is (self.link is None):
            raise ValueError("do says {link} where there is a link, and nowhere else")
        return self

    def is_of(self, status: int, headers: Mapping[str, str], body: Any) -> bool:
        """Is an answer refused for this reason?"""
        if status not in self.statuses:
            return False
        if self.header and not headers.get(self.header, "").startswith("required"):
            return False
        told = look(body, "errors")
        errors = [one for one in (told if isinstance(told, list) else []) if isinstance(one, dict)]
        if self.code and self.code not in [one.get("code") for one in errors]:
            return False
        said = [look(body, "message"), *(look(one, path) for one in errors for path in _MESSAGES)]
        return self.message is None or any(
            isinstance(one, str) and len(one) <= _LONGEST and re.fullmatch(self.message, one, re.DOTALL) for one in said
        )
