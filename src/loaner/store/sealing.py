"""Envelope encryption of single columns: AES-256-GCM, a fresh data key per value under a key-encryption key.

The row's identity is the associated data, so that a value moved to another row, or an older value put back
under a newer version number, does not open (NIST SP 800-38D; the layout below is ours). The data key is wrapped for
this one ciphertext. So a rotation can wrap it anew without opening the value, or knowing what row it is of.

Layout: ``1 | length of the wrapped key (2) | key id (8), wrapped data key | nonce (12) | ciphertext``.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from loaner.errors import SettingsInvalid
from loaner.secret import Secret

_FORMAT = b"\x01"
_NONCE = 12
_HEADER = 3
KEY_BYTES = 32
KEY_ID_BYTES = 8
KEY_ID_AT = _HEADER + 1
"""Where in a sealed value the id of its key begins, counted from one as SQL's ``substr`` does."""


class Unsealable(Exception):
    """A sealed value that does not belong where it was found, or whose key is gone."""


class WrongKey(Unsealable):
    """It may be whole: it was sealed under another key than the configured one."""


class KeyHolder(Protocol):
    """Whoever holds the key-encryption key and never hands it out."""

    def wrap(self, data_key: bytes, identity: bytes) -> bytes:
        """What it returns begins with the eight bytes that name the key it used."""
        ...

    def unwrap(self, wrapped: bytes, identity: bytes) -> bytes:
        """Raises :class:`WrongKey` for what another key wrapped, and :class:`Unsealable` for what none did."""
        ...

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one other purpose, the same in every replica; they tell nothing of the key itself."""
        ...

    def derived(self, purpose: str, *, anew: bool = False) -> list[bytes]:
        """The same of every key that is known now: the first is for making things, all are for checking them.

        ``anew``: none that was known fits, so whoever keeps them elsewhere is asked whether there are others.
        """
        ...


class LocalKey:
    """A key-encryption key in this process's memory."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise SettingsInvalid(f"the sealing key must be exactly {KEY_BYTES} random bytes, not {len(key)}.")
        self._aead = AESGCM(key)
        self._id = hashlib.sha256(b"loaner key id" + key).digest()[:KEY_ID_BYTES]
        self._root = _hkdf(key, b"loaner derived keys")
        self._derived: dict[str, bytes] = {}

    def wrap(self, data_key: bytes, identity: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return self._id + nonce + self._aead.encrypt(nonce, data_key, identity)

    def unwrap(self, wrapped: bytes, identity: bytes) -> bytes:
        key_id, rest = wrapped[:KEY_ID_BYTES], wrapped[KEY_ID_BYTES:]
        if key_id != self._id:
            raise WrongKey("sealed under another key")
        return self._aead.decrypt(rest[:_NONCE], rest[_NONCE:], identity)

    def derive(self, purpose: str) -> bytes:
        if purpose not in self._derived:
            self._derived[purpose] = _hkdf(self._root, purpose.encode())
        return self._derived[purpose]

    def derived(self, purpose: str, *, anew: bool = False) -> list[bytes]:  # noqa: ARG002 - there is this one
        return [self.derive(purpose)]


class KeyRing:
    """The key that seals, and others that still open what was sealed under them."""

    def __init__(self, primary: KeyHolder, *others: KeyHolder) -> None:
        self._holders = (primary, *others)

    @property
    def holders(self) -> tuple[KeyHolder, ...]:
        return self._holders

    def wrap(self, data_key: bytes, identity: bytes) -> bytes:
        return self.holders[0].wrap(data_key, identity)

    def unwrap(self, wrapped: bytes, identity: bytes) -> bytes:
        for holder in self.holders:
            try:
                return holder.unwrap(wrapped, identity)
            except WrongKey:
                continue
        raise WrongKey("sealed under a key that is not here")

    def derive(self, purpose: str) -> bytes:
        return self.holders[0].derive(purpose)

    def derived(self, purpose: str, *, anew: bool = False) -> list[bytes]:
        return [one for holder in self.holders for one in holder.derived(purpose, anew=anew)]


@dataclass(frozen=True)
class Sealed:
    """Seals and opens secrets for one holder."""

    holder: KeyHolder

    def seal(self, secret: Secret, *identity: str) -> bytes:
        """``identity`` names the row and its version; it must be repeated to open."""
        data_key = AESGCM.generate_key(bit_length=256)
        nonce = os.urandom(_NONCE)
        value = nonce + AESGCM(data_key).encrypt(nonce, secret.reveal().encode(), _identity(identity))
        return _joined(self.holder.wrap(data_key, _of(value)), value)

    def open(self, sealed: bytes, *identity: str) -> Secret:
        """Raises :class:`Unsealable` for a value of another row, version or key, or one that was altered."""
        with _told_once():
            wrapped, value = _parted(sealed)
            data_key = self.holder.unwrap(wrapped, _of(value))
            return Secret(AESGCM(data_key).decrypt(value[:_NONCE], value[_NONCE:], _identity(identity)).decode())

    def rewrapped(self, sealed: bytes) -> bytes:
        """The same value under the key that seals now. Raises :class:`Unsealable`."""
        with _told_once():
            wrapped, value = _parted(sealed)
            return _joined(self.holder.wrap(self.holder.unwrap(wrapped, _of(value)), _of(value)), value)

    def key_id(self) -> bytes:
        """The name of the key that seals now."""
        return self.holder.wrap(bytes(KEY_BYTES), b"")[:KEY_ID_BYTES]

    def derived(self, purpose: str, *, anew: bool = False) -> list[bytes]:
        """What each key derives for a purpose: the first is for making things, all are for checking them."""
        return self.holder.derived(purpose, anew=anew)


def key_id_of(sealed: bytes) -> bytes:
    """The name of the key that a value is sealed under."""
    return sealed[_HEADER : _HEADER + KEY_ID_BYTES]


def _joined(wrapped: bytes, value: bytes) -> bytes:
    return _FORMAT + len(wrapped).to_bytes(2, "big") + wrapped + value


def _parted(sealed: bytes) -> tuple[bytes, bytes]:
    if sealed[:1] != _FORMAT:
        raise Unsealable("not a sealed value")
    cut = _HEADER + int.from_bytes(sealed[1:_HEADER], "big")
    return sealed[_HEADER:cut], sealed[cut:]


def _of(value: bytes) -> bytes:
    """What a data key is wrapped for."""
    return hashlib.sha256(value).digest()


@contextmanager
def _told_once() -> Iterator[None]:
    try:
        yield
    except (InvalidTag, ValueError) as failure:
        raise Unsealable("altered, or of another row") from failure


def _identity(parts: tuple[str, ...]) -> bytes:
    # Lengths make the joining unambiguous: ("a", "bc") and ("ab", "c") must not open each other.
    return b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)


def _hkdf(key: bytes, info: bytes) -> bytes:
    """RFC 5869. The input is uniformly random already, so it needs no salt."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(key)
