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
    """Where to write: records name people, so a file is made for its owner alone. A reader may leave early."""
    if out is not None:
        try:
            file = open(out, "wb", opener=lambda path, flags: os.open(path, flags, 0o600))  # noqa: SIM115 - closed below
        except OSError as failure:
            raise UsageError(f"{out} cannot be written: {failure.strerror}.") from None
        with file:
            yield file
        return
    with suppress(BrokenPipeError), os.fdopen(os.dup(sys.stdout.fileno()), "wb") as file:
        yield file
