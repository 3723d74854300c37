"""Envelope encryption of single columns: AES-256-GCM, a fresh data key per value under a key-encryption key.

The row's identity is the associated data, so that a value moved to another row, or an older value put back
under a newer version number, does not open (NIST SP 800-38D; the layout below is ours).

Layout: ``1 | length of the wrapped key (2) | wrapped data key | nonce (12) | ciphertext``.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from loaner.errors import SettingsInvalid
from loaner.secret import Secret

_FORMAT = b"\x01"
_KEY_ID, _NONCE = 8, 12
KEY_BYTES = 32


class Unsealable(Exception):
    """A sealed value that does not belong where it was found, or whose key is gone."""


class WrongKey(Unsealable):
    """It may be whole: it was sealed under another key than the configured one."""


class KeyHolder(Protocol):
    """Whoever holds the key-encryption key and never hands it out."""

    def wrap(self, data_key: bytes, identity: bytes) -> bytes: ...

    def unwrap(self, wrapped: bytes, identity: bytes) -> bytes: ...

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one other purpose, the same in every replica; they tell nothing of the key itself."""
        ...


class LocalKey:
    """A key-encryption key in this process's memory."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise SettingsInvalid(f"the sealing key must be exactly {KEY_BYTES} random bytes, not {len(key)}.")
        self._aead = AESGCM(key)
        self._id = hashlib.sha256(b"loaner key id" + key).digest()[:_KEY_ID]
        self._root = _hkdf(key, b"loaner derived keys")

    def wrap(self, data_key: bytes, identity: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return self._id + nonce + self._aead.encrypt(nonce, data_key, identity)

    def unwrap(self, wrapped: bytes, identity: bytes) -> bytes:
        key_id, nonce, body = wrapped[:_KEY_ID], wrapped[_KEY_ID : _KEY_ID + _NONCE], wrapped[_KEY_ID + _NONCE :]
        if key_id != self._id:
            raise WrongKey("sealed under another key")
        return self._aead.decrypt(nonce, body, identity)

    def derive(self, purpose: str) -> bytes:
        return _hkdf(self._root, purpose.encode())

    @classmethod
    def from_file(cls, path: Path) -> LocalKey:
        """Read the key, or make it at the first start. The file is 0600 or it is refused (ASVS 13.3)."""
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o077:
                raise SettingsInvalid(
                    f"{path} can be read by others (mode {mode:04o}).", do=f"Run: chmod 600 {path}"
                ) from None
            return cls(path.read_bytes())
        key = os.urandom(KEY_BYTES)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        return cls(key)


@dataclass(frozen=True)
class Sealed:
    """Seals and opens secrets for one holder."""

    holder: KeyHolder

    def seal(self, secret: Secret, *identity: str) -> bytes:
        """``identity`` names the row and its version; it must be repeated to open."""
        aad = _identity(identity)
        data_key = AESGCM.generate_key(bit_length=256)
        nonce = os.urandom(_NONCE)
        body = AESGCM(data_key).encrypt(nonce, secret.reveal().encode(), aad)
        wrapped = self.holder.wrap(data_key, aad)
        return _FORMAT + len(wrapped).to_bytes(2, "big") + wrapped + nonce + body

    def open(self, sealed: bytes, *identity: str) -> Secret:
        """Raises :class:`Unsealable` for a value of another row, version or key, or one that was altered."""
        aad = _identity(identity)
        try:
            if sealed[:1] != _FORMAT:
                raise Unsealable("not a sealed value")
            cut = 3 + int.from_bytes(sealed[1:3], "big")
            data_key = self.holder.unwrap(sealed[3:cut], aad)
            value = AESGCM(data_key).decrypt(sealed[cut : cut + _NONCE], sealed[cut + _NONCE :], aad)
        except (InvalidTag, ValueError) as failure:
            raise Unsealable("altered, or of another row") from failure
        return Secret(value.decode())


def _identity(parts: tuple[str, ...]) -> bytes:
    # Lengths make the joining unambiguous: ("a", "bc") and ("ab", "c") must not open each other.
    return b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)


def _hkdf(key: bytes, info: bytes) -> bytes:
    """RFC 5869. The input is uniformly random already, so it needs no salt."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(key)
