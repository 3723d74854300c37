"""Where a verb writes what it was asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from loaner.errors import UsageError


@contextmanager
def target(out: Path | None) -> Iterator[BinaryIO]:
    """Where to write: records name people, so a file is its owner's alone, and there whole or as it was before. A pipe
    or a device is written to as it is. A reader may leave early."""
    if out is not None:
        special = out.exists() and not out.is_file()
        beside = out if special else out.with_name(f".{out.name}.{os.getpid()}")
        how = os.O_WRONLY if special else os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            file = os.fdopen(os.open(beside, how, 0o600), "wb")
        except OSError as failure:
            raise UsageError(f"{out} cannot be written: {failure.strerror}.") from None
        try:
            with file:
                yield file
            if not special:
                beside.replace(out)
        finally:
            if not special:
                beside.unlink(missing_ok=True)
        return
    with suppress(BrokenPipeError), os.fdopen(os.dup(sys.stdout.fileno()), "wb") as file:
        yield file
