"""A secret that does not show itself.

Printing, logging, comparing, pickling or serialising a :class:`Secret` never gives its value. ``reveal()`` is
the one ugly spelling that does, and a test pins the list of modules that may say it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final, NoReturn

# The prefixes are the ones that GitHub, Slack and Linear print in their documentation.
KEY_SHAPE: Final = re.compile(
    r"(?:gh[opsur]_|github_pat_|xox[a-z]-|xoxe\.|xapp-|lin_(?:api|oauth|refresh)_)[A-Za-z0-9_.\-]{16,}"
)
"""What looks like a provider's key."""


def fingerprint(token: str) -> str:
    """Hex SHA-256 of a token: it can be recognised by it, and not used."""
    return hashlib.sha256(token.encode()).hexdigest()


class Secret:
    """One secret string, opaque to everything but :meth:`reveal`."""

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        if not value:
            # An empty secret would be sent as "Bearer " and fail in a way that looks like the provider's fault.
            raise ValueError("a secret cannot be empty")
        self.__value = value

    def reveal(self) -> str:
        """The value itself. Only the code that puts it on a wire or under a seal may ask."""
        return self.__value

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.__value)

    def matches(self, other: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self.__value.encode(), other.encode())

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.matches(other.reveal())

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")
