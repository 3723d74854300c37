"""A host's configuration file as text, and writing it whole: beside, flushed, then in its place.

Those programs write their files too. So what is replaced is what was read: a file that changed meanwhile is left alone.
"""

from __future__ import annotations

import codecs
import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from loaner.errors import HostUnusable

_LONGEST = 64 << 20
"""Bytes. Claude Code keeps its whole state in one file; ten megabytes have been seen."""


@dataclass(frozen=True)
class HostFile:
    file: Path
    """The file itself, where a link led to it."""
    raw: bytes | None
    """``None`` where there is none."""

    @property
    def text(self) -> str:
        """Raises :class:`HostUnusable` for what is no text."""
        try:
            return (self.raw or b"").removeprefix(codecs.BOM_UTF8).decode()
        except UnicodeDecodeError:
            raise HostUnusable(f"{self.file} cannot be read: it is not text in UTF-8.") from None

    def encoded(self, text: str) -> bytes:
        """As it stands in the file: a mark at its beginning stays."""
        mark = codecs.BOM_UTF8 if (self.raw or b"").startswith(codecs.BOM_UTF8) else b""
        return mark + text.encode()


def read(file: Path) -> HostFile:
    """Raises :class:`HostUnusable`."""
    try:
        real = file.resolve()
        if not real.exists():
            if file.is_symlink():
                raise HostUnusable(f"{file} is a link that leads nowhere.", do="Mend it, or remove it.")
            return HostFile(real, None)
        if not real.is_file():
            raise HostUnusable(f"{file} is no plain file.")
        with real.open("rb") as opened:
            raw = opened.read(_LONGEST + 1)
    except (OSError, RuntimeError) as failure:
        told = failure.strerror if isinstance(failure, OSError) else "its links lead in a circle"
        raise HostUnusable(f"{file} cannot be read: {told}.") from None
    if len(raw) > _LONGEST:
        raise HostUnusable(f"{file} is longer than {_LONGEST} bytes.")
    return HostFile(real, raw)


def write(before: HostFile, raw: bytes | None) -> None:
    """Put this in the place of what was read; ``None`` takes the file away. Raises :class:`HostUnusable`."""
    file = before.file
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = None if raw is None else _beside(file, raw)
        try:
            if (file.read_bytes() if file.exists() else None) != before.raw:
                raise HostUnusable(f"{file} was changed meanwhile; nothing was written.", do="Try again.")
            if beside is None:
                file.unlink(missing_ok=True)
            else:
                beside.replace(file)
                beside = None
        finally:
            if beside is not None:
                beside.unlink(missing_ok=True)
    except OSError as failure:
        raise HostUnusable(f"{file} cannot be written: {failure.strerror}. Nothing was changed.") from None


def _beside(file: Path, raw: bytes) -> Path:
    """A file with this content and the permissions of the one that it is for; 0600 where there was none."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.", suffix=".loaner")
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(raw)
            opened.flush()
            os.fsync(descriptor)
            with suppress(FileNotFoundError):
                now = file.stat()
                os.chmod(name, stat.S_IMODE(now.st_mode))  # noqa: PTH101 - a name, as mkstemp gives it
                if os.name == "posix" and os.geteuid() == 0:
                    os.chown(name, now.st_uid, now.st_gid)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)
