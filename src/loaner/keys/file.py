"""The sealing key in a file that only its owner may read: one key, or while it is being changed, several.

The file is looked at before each use (one ``stat``), so that every process that shares it seals under the new key as
soon as there is one. 32 bytes each, the one that seals first.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from loaner.errors import SettingsInvalid, UsageError
from loaner.store.sealing import KEY_BYTES, KeyRing, LocalKey


class FileKey(KeyRing):
    """Made at the first start, unless only to ``look``. The file is 0600 or it is refused (ASVS 13.3).

    Raises :class:`SettingsInvalid`.
    """

    def __init__(self, path: Path, *, look: bool = False) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._keys: tuple[LocalKey, ...] = ()
        if not look and not path.exists():  # where there is a key, nothing is written: the disk may be full
            _make(path)
        super().__init__(*self._look())

    @property
    def holders(self) -> tuple[LocalKey, ...]:
        return self._look()

    def renew(self) -> None:
        """Put a new key first; the present ones stay, so that nothing stops opening."""
        self._replace(os.urandom(KEY_BYTES) + self.path.read_bytes())

    def retire(self) -> int:
        """Forget every key but the one that seals, for good; how many there were. Only when nothing needs them."""
        keys = self.path.read_bytes()
        self._replace(keys[:KEY_BYTES])
        return len(keys) // KEY_BYTES - 1

    def _replace(self, keys: bytes) -> None:
        beside = self.path.with_name(f"{self.path.name}.new")
        try:
            _write_new(beside, keys)
        except FileExistsError:
            raise UsageError(
                "the key is being changed by another program.", do=f"If it is not, remove {beside} and try again."
            ) from None
        beside.replace(self.path)
        _flush(self.path.parent)

    def _look(self) -> tuple[LocalKey, ...]:
        try:
            now = self.path.stat()
            seen = now.st_ino, now.st_mtime_ns, now.st_size
            if seen == self._seen:
                return self._keys
            if stat.S_IMODE(now.st_mode) & 0o077:
                raise SettingsInvalid(
                    f"{self.path} can be read by others (mode {stat.S_IMODE(now.st_mode):04o}).",
                    do=f"Run: chmod 600 {self.path}",
                )
            whole = self.path.read_bytes()
        except OSError as failure:
            raise SettingsInvalid(f"the key file {self.path} cannot be read: {failure.strerror}.") from None
        self._keys, self._seen = local_keys(whole, self.path), seen
        return self._keys


def local_keys(whole: bytes, path: Path) -> tuple[LocalKey, ...]:
    """The keys that a file's bytes are. Raises :class:`SettingsInvalid`."""
    if not whole or len(whole) % KEY_BYTES:
        raise SettingsInvalid(f"{path} must hold keys of exactly {KEY_BYTES} random bytes.")
    return tuple(LocalKey(whole[at : at + KEY_BYTES]) for at in range(0, len(whole), KEY_BYTES))


def _make(path: Path) -> None:
    try:
        _write_new(path, os.urandom(KEY_BYTES))
    except FileExistsError:
        pass  # another process was first, and its key is the one
    except OSError as failure:
        raise SettingsInvalid(f"the key file {path} cannot be made: {failure.strerror}.") from None


def _write_new(path: Path, content: bytes) -> None:
    """Whole and on the disk, or not there. Raises :class:`FileExistsError`."""
    whole = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(whole, path)  # two processes that start at once agree on one key, and neither reads half of it
    finally:
        whole.unlink()
    _flush(path.parent)


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
