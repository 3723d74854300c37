"""Paths in settings, as people write them. No shell stands behind a settings file or a host's JSON, so what a shell
would do is done here or refused: a literal ``./~`` or ``./${HOME}`` would put the sealing key into whatever folder
loaner happens to be started in.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from loaner.errors import SettingsInvalid

_VARIABLE = re.compile(r"\$|%[A-Za-z_]\w*%")


def absolute(written: str, *, setting: str, base: Path | None) -> Path:
    """The whole path that ``written`` means.

    Args:
        setting: what the person would have to change, for the error.
        base: the folder that a relative path is relative to; ``None`` refuses one.

    Raises:
        SettingsInvalid: for what only a shell would understand, and for a relative path without a ``base``.
    """

    def refused(why: str, do: str) -> SettingsInvalid:
        return SettingsInvalid(f"{setting}: the path {written!r} {why}.", do=do)

    if not written.strip() or not written.isprintable():
        raise refused("is empty or has control characters in it", "Write a path, or leave the setting out.")
    if _VARIABLE.search(written):
        raise refused("has a variable in it, and no shell fills it in", "Write the whole path, or begin with ~/")
    path = Path(written)
    if path.parts[:1] and path.parts[0].startswith("~"):
        try:
            path = path.expanduser()
        except RuntimeError:  # no such user, or nobody knows where their home is
            raise refused("begins with a home that is not known", "Write the whole path.") from None
        if not path.is_absolute():
            raise refused("begins with a home that is not a whole path", "Check HOME, or write the whole path.")
    if "~" in path.parts:
        raise refused("has a ~ in the middle", "A ~ stands for your home only at the beginning.")
    if path.is_absolute():
        return path
    if base is None:
        raise refused(
            "is relative, and a variable is the same wherever loaner is started",
            "Write the whole path, or begin with ~/",
        )
    return base / path


def refuse_written_by_others(path: Path) -> None:
    """Whoever may write settings or rules decides everything: the file itself, and what stands in its folder.

    Raises :class:`SettingsInvalid`.
    """
    if os.name != "posix":
        return
    for one in (path, path.parent):
        try:
            mode = one.stat().st_mode
        except OSError:
            continue  # reading it says what is wrong
        sticky = stat.S_ISDIR(mode) and mode & stat.S_ISVTX  # as /tmp: others may add, but not replace
        if mode & stat.S_IWOTH and not sticky:
            raise SettingsInvalid(
                f"{one} can be written by everybody (mode {stat.S_IMODE(mode):04o}).",
                do=f"Look at what is in it, then: chmod o-w {one}",
            )
