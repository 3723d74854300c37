"""Which project files a person has looked at and trusts, as direnv does: by their whole path and their content.

Kept in ``trusted.json`` under ``LOANER_HOME``. What is trusted is one content; any change has to be trusted anew.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from loaner.errors import SettingsInvalid

FILE = "trusted.json"
_LONGEST = 64 * 1024
"""Bytes of a project file or its task; both are a page."""


@dataclass(frozen=True)
class Trusted:
    """SHA-256 of a project file's content, and of the task that it names."""

    sha256: str
    task: str | None = None


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def trusted(home: Path) -> dict[str, Trusted]:
    """Each trusted file by its whole path. Raises :class:`SettingsInvalid` for a list that cannot be believed."""
    file = home / FILE
    try:
        with file.open("rb") as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            content = opened.read()
    except FileNotFoundError:
        return {}
    except OSError as failure:
        raise SettingsInvalid(f"{file} cannot be read: {failure.strerror}.") from None
    if os.name == "posix" and mode & 0o077:
        raise SettingsInvalid(f"{file} is open to others (mode {mode:04o}).", do=f"Look at it, then: chmod 600 {file}")
    try:
        return {str(path): Trusted(**one) for path, one in json.loads(content).items()}
    except (ValueError, TypeError, AttributeError):
        raise SettingsInvalid(f"{file} is damaged.", do="Remove it, and trust the projects again.") from None


def keep(home: Path, all_of_them: Mapping[str, Trusted]) -> None:
    """Write the list whole, for its owner alone."""
    file, draft = home / FILE, home / f".{FILE}.{os.getpid()}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        json.dump({path: asdict(one) for path, one in all_of_them.items()}, opened, indent=1)
    draft.replace(file)


def read_once(file: Path) -> bytes:
    """The content, opened once: what is hashed is what is used, whatever becomes of the file meanwhile.

    Raises :class:`SettingsInvalid` for a symbolic link, a pipe and anything else that is no plain file.
    """
    # A pipe in its place must not make us wait (O_NONBLOCK), and a link not lead elsewhere.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(file, flags)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise SettingsInvalid(f"{file} is no plain file.", do="Put the project's own file there.")
        with os.fdopen(descriptor, "rb") as opened:
            content = opened.read(_LONGEST + 1)
    except OSError as failure:
        if failure.errno == errno.ELOOP:
            raise SettingsInvalid(
                f"{file} is a symbolic link, which may lead elsewhere at any time.", do="Put the file itself there."
            ) from None
        raise SettingsInvalid(f"{file} cannot be read: {failure.strerror}.") from None
    if len(content) > _LONGEST:
        raise SettingsInvalid(f"{file} is longer than {_LONGEST} bytes.")
    return content
