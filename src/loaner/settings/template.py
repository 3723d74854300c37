"""A first settings file: every table that most people need, explained and commented out."""

from __future__ import annotations

import os
from pathlib import Path

from loaner.errors import SettingsInvalid, UsageError


def text() -> str:
    return Path(__file__).with_suffix(".toml").read_text("utf-8")


def write(file: Path) -> None:
    """Whole or not at all, for its owner alone, and never in the place of anything. Raises :class:`UsageError`."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
                opened.write(text())
                opened.flush()
                os.fsync(descriptor)
            _put(beside, file)
        finally:
            beside.unlink()
    except OSError as failure:
        raise SettingsInvalid(f"{file} cannot be written: {failure.strerror}.") from None


def _put(beside: Path, file: Path) -> None:
    try:
        os.link(beside, file)  # fails where something is there, a dangling link too
    except FileExistsError:
        raise UsageError(
            f"{file} is there already, and was not touched.", do="See what it could say: loaner init --print"
        ) from None
