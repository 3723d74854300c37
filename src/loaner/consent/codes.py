"""Handles and user codes: random values, how they are shown, and what is stored of them.

A handle names a pending consent and is no authority. A user code has 20^8 values (34 bits) from consonants that
make no words and are hard to confuse (RFC 8628 §6.1). Only hashes are stored; the code is also kept under seal,
so that the same caller is shown the same one again.
"""

from __future__ import annotations

import hashlib
import re
import secrets

from loaner.secret import Secret
from loaner.store import Sealed

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
LENGTH = 8
_HANDLE_BYTES = 24


def new_handle() -> str:
    """192 bits, URL-safe."""
    return secrets.token_urlsafe(_HANDLE_BYTES)


def new_user_code() -> str:
    """As it is shown: ``WDJB-MJHT``."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    return f"{letters[:4]}-{letters[4:]}"


def typed(text: str) -> str | None:
    """A code as a person typed it, in the form that is shown, or ``None`` when it cannot be one.

    Case, spaces and dashes are forgiven, nothing else (RFC 8628 §6.1).
    """
    letters = re.sub(r"[\s\-\u2010-\u2015]", "", text[:64]).upper()
    if len(letters) != LENGTH or not set(letters) <= set(ALPHABET):
        return None
    return f"{letters[:4]}-{letters[4:]}"


def hashed(value: str) -> str:
    """What is stored of a code, a state or a cookie."""
    return hashlib.sha256(value.encode()).hexdigest()


def new_state() -> str:
    """A one-time ``state`` of a redirect, 256 bits."""
    return secrets.token_urlsafe(32)


def seal_code(sealed: Sealed, code: str, handle: str, whose: str = "code") -> bytes:
    return sealed.seal(Secret(code), "consents", handle, whose)


def shown_code(sealed: Sealed, stored: bytes, handle: str, whose: str = "code") -> str:
    """The user code again, for the caller it was made for and the person who compares it."""
    return sealed.open(stored, "consents", handle, whose).reveal()
