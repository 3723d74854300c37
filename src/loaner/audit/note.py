"""Signed notes: a text, and below it who signed it (c2sp.org/signed-note, Ed25519 only).

Keys are written as Go's ``note`` package writes them, so its tools can check what loaner signs.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from loaner.errors import SettingsInvalid

_ED25519 = b"\x01"
_SEED = 32
_LONGEST = 64 * 1024
_MOST_SIGNATURES = 64


class NotSigned(ValueError):
    """A note that no trusted key signed, or one that is no note."""


@dataclass(frozen=True)
class Verifier:
    """A public key and its name; trusts this one key."""

    name: str
    key: bytes

    @property
    def id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.key).digest()[:4]

    def __str__(self) -> str:
        """``name+id+key``: to be kept wherever checkpoints are kept."""
        return f"{self.name}+{self.id.hex()}+{_b64(_ED25519 + self.key)}"

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """Raises :class:`ValueError` for anything but a name, its id and an Ed25519 key."""
        name, _, rest = text.strip().partition("+")
        said_id, _, encoded = rest.partition("+")  # base64 has plus signs of its own
        raw = _unb64(encoded)
        verifier = cls(name, raw[1:])
        if raw[:1] != _ED25519 or len(raw) != 1 + _SEED or not _is_name(name) or verifier.id.hex() != said_id:
            raise ValueError("not a verifier key (name+id+key, Ed25519)")
        return verifier

    def open(self, note: str) -> str:
        """The text of a note that this key signed. Raises :class:`NotSigned`; nothing else of it may be believed."""
        text, _, signatures = note.rpartition("\n\n")
        if len(note) > _LONGEST or not text or not signatures.endswith("\n"):
            raise NotSigned("not a signed note")
        text += "\n"
        if any(character < " " and character != "\n" for character in note):
            raise NotSigned("a note has no control characters")
        good = False
        for line in signatures[:-1].split("\n")[:_MOST_SIGNATURES]:
            name, _, encoded = line.removeprefix("— ").partition(" ")
            if not line.startswith("— ") or not encoded:
                raise NotSigned("not a signed note")
            signature = _unb64(encoded)
            if name == self.name and signature[:4] == self.id:
                try:
                    Ed25519PublicKey.from_public_bytes(self.key).verify(signature[4:], text.encode())
                except InvalidSignature:
                    raise NotSigned("a signature of the trusted key does not fit") from None
                good = True
        if not good:
            raise NotSigned(f"not signed by {self.name}")
        return text


class Signer:
    """A private key and its name. The name is made with the key: no two loaners share one."""

    def __init__(self, name: str, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = Verifier(name, self._key.public_key().public_bytes_raw())

    @property
    def name(self) -> str:
        return self.verifier.name

    def sign(self, text: str) -> str:
        """``text`` ends in a newline, as the format demands."""
        return f"{text}\n— {self.name} {_b64(self.verifier.id + self._key.sign(text.encode()))}\n"

    @classmethod
    def from_file(cls, path: Path) -> Signer:
        """Read the key, or make one the first time. The file is 0600 or it is refused."""
        if not path.exists():
            _write_once(path, f"loaner/{secrets.token_hex(6)}", secrets.token_bytes(_SEED))
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise SettingsInvalid(f"{path} can be read by others (mode {mode:04o}).", do=f"Run: chmod 600 {path}")
        return cls.parse(path.read_text(), where=str(path))

    @classmethod
    def parse(cls, text: str, *, where: str) -> Signer:
        """A key as its file has it; several servers over one store share one. Raises :class:`SettingsInvalid`."""
        try:
            private, key, name, said_id, encoded = text.strip().split("+", 4)
            raw = _unb64(encoded)
            signer = cls(name, raw[1:])
        except ValueError:
            raise SettingsInvalid(f"{where} does not hold a signing key.") from None
        if (private, key, raw[:1]) != ("PRIVATE", "KEY", _ED25519) or signer.verifier.id.hex() != said_id:
            raise SettingsInvalid(f"{where} does not hold a signing key.")
        return signer


def _write_once(path: Path, name: str, seed: bytes) -> None:
    """Made whole beside it and then linked, so that another process never reads half a key or replaces ours."""
    made = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"PRIVATE+KEY+{name}+{Signer(name, seed).verifier.id.hex()}+{_b64(_ED25519 + seed)}\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(made, path)
    except FileExistsError:
        pass  # another process was first, and its key is the one
    finally:
        made.unlink()


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(character.isspace() for character in name)


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _unb64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NotSigned("not base64") from None
