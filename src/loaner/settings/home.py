"""The folder of the sealing key, the store and the run files: nobody else may write there, or come to read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from loaner.errors import SettingsInvalid
from loaner.settings.notes import note


def look_at(home: Path) -> None:
    """Refuse a home that is not ours alone. A missing one is fine, and stays missing.

    What others could write they may have written: a key of theirs, a store, a trusted project. So that is for a person
    to look at, and not for us to mend. Raises :class:`SettingsInvalid`.
    """
    try:
        found = home.stat()
    except OSError:
        return  # whoever wants to write there says what is wrong
    if os.name != "posix":
        return
    if found.st_uid != os.geteuid():
        raise SettingsInvalid(
            f"the folder {home} belongs to another user (uid {found.st_uid}, and this is {os.geteuid()}).",
            do="Set LOANER_HOME to a folder of your own; a new one inside it will do.",
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise SettingsInvalid(
            f"the folder {home} can be written by others (mode {stat.S_IMODE(found.st_mode):04o}).",
            do=f"Look at what is in it, then: chmod 700 {home}, or set LOANER_HOME to another folder.",
        )


def made(home: Path) -> Path:
    """The folder, there and closed to others. Raises :class:`SettingsInvalid`."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        look_at(home)
        mode = stat.S_IMODE(home.stat().st_mode)
        if os.name == "posix" and mode & 0o077:
            home.chmod(mode & ~0o077)
            note(f"{home} was open to others (mode {mode:04o}); it is closed now.")
    except OSError as failure:
        raise SettingsInvalid(
            f"the folder {home} cannot be used: {failure.strerror}.", do="Set LOANER_HOME to one that can."
        ) from None
    return home
