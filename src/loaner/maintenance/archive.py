"""The file of a backup: a tar archive with a manifest, the store, and the keys where they were asked for.

The manifest carries a digest of the store and a MAC under the sealing key, so a restore takes neither a damaged file
nor one that somebody without the key has made or changed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import IO

from loaner.audit.chain import canonical
from loaner.errors import UsageError
from loaner.store import Sealed

FORMAT = 1
MANIFEST, STORE = "manifest.json", "loaner.db"
KEYS = ("key", "checkpoint.key")
"""The files in the home that a backup may hold besides the store."""
PURPOSE = "backups"
"""What the key of the MAC is derived for."""
_CHUNK = 1 << 20
_LONGEST = 64 * 1024


@dataclass(frozen=True)
class Manifest:
    """What a backup holds."""

    v: int
    made_at: str
    loaner: str
    """The version that made it."""
    revision: str
    """Of the store's tables."""
    records: int
    head: str
    """The hash of the last record."""
    sha256: str
    """Of the store's file."""
    key: str
    """The id of the key that seals, in hex."""
    with_keys: bool
    mac: str = ""
    """HMAC-SHA-256 over the rest."""

    def signed(self, sealed: Sealed) -> Manifest:
        return replace(self, mac=self._mac(sealed.derived(PURPOSE)[0]))

    def is_of(self, sealed: Sealed) -> bool:
        """Was it made under one of these keys, and not changed since?"""
        return any(hmac.compare_digest(self.mac, self._mac(key)) for key in sealed.derived(PURPOSE))

    def _mac(self, key: bytes) -> str:
        said = {name: value for name, value in asdict(self).items() if name != "mac"}
        return hmac.new(key, canonical(said).encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Archive:
    """An opened backup."""

    path: Path
    manifest: Manifest
    keys: Mapping[str, bytes]
    """Key files by their name in the home, where the backup has them."""

    def extract(self, target: Path) -> None:
        """Write the store to ``target`` (0600). Raises :class:`UsageError` for a damaged one."""
        digest = hashlib.sha256()
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as out, _readable(self.path) as tar:
            source = _member(tar, STORE)
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        if digest.hexdigest() != self.manifest.sha256:
            raise damaged(self.path)


def write(target: Path, manifest: Manifest, store: Path, keys: Mapping[str, bytes]) -> None:
    """Make the archive, for its owner alone, and durable."""
    with (
        os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file,
        tarfile.open(fileobj=file, mode="w:") as tar,
        store.open("rb") as content,
    ):
        said = json.dumps(asdict(manifest), indent=1).encode()
        for name, part, size in (
            (MANIFEST, BytesIO(said), len(said)),
            *((name, BytesIO(key), len(key)) for name, key in keys.items()),
            (STORE, content, store.stat().st_size),
        ):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = size, 0o600
            tar.addfile(entry, part)
        tar.close()
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> Archive:
    """Raises :class:`UsageError` for a file that is no backup, or one of a newer loaner."""
    with _readable(path) as tar:
        try:
            said = json.loads(_member(tar, MANIFEST).read(_LONGEST))
            if said.get("v") != FORMAT:
                raise UsageError(f"{path} was made by a newer loaner ({said.get('loaner')}).", do="Use that one.")
            manifest = Manifest(**said)
        except (ValueError, TypeError, AttributeError):
            raise damaged(path) from None
        names = [name for name in tar.getnames() if name not in (MANIFEST, STORE)]
        keys = {name: _member(tar, name).read(_LONGEST) for name in names if name in KEYS}
    return Archive(path, manifest, keys)


@contextmanager
def _readable(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path, "r:") as tar:
            yield tar
    except OSError as failure:
        raise UsageError(f"{path} cannot be read: {failure.strerror}.") from None
    except tarfile.TarError:
        raise UsageError(f"{path} is not a backup that loaner made.") from None


def _member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    try:
        found = tar.extractfile(name)
    except (KeyError, tarfile.TarError):
        found = None
    if found is None:
        raise UsageError(f"{tar.name!s} is not a backup that loaner made: it has no {name}.")
    return found


def damaged(path: Path) -> UsageError:
    return UsageError(
        f"{path} is damaged: its content is not what was backed up.", do="Nothing was changed. Use another backup."
    )
