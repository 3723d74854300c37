"""Who has a store's file open, and the change of that file by a restore.

Every engine on a file holds a shared lock beside it, so a restore, which takes the lock alone, never moves a file that
somebody writes to. The kernel lets go of the lock of a process that is killed.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from loaner.errors import StoreUnusable, UsageError
from loaner.failpoints import reached

_alone: set[Path] = set()


def shared(file: Path) -> Callable[[], None]:
    """Say that the store is open, until what is returned is called.

    Raises :class:`StoreUnusable` during a restore, and after one that was interrupted: what stands at ``file`` then may
    be half of it.
    """
    if file in _alone:  # the restore itself looks at the store that it replaces
        return lambda: None
    descriptor = _locked(file, alone=False)
    try:
        refuse_half(file)
    except StoreUnusable:
        _close(descriptor)
        raise
    held = contextlib.ExitStack()
    held.callback(_close, descriptor)
    return held.close  # only the first time: later, the number may be of another file


def refuse_half(file: Path) -> None:
    """Raises :class:`StoreUnusable` where a restore was interrupted: what is at ``file`` is the old store, or none."""
    if file not in _alone and restored(file).exists():
        raise StoreUnusable("a restore of this store was interrupted.", do="Finish it with: loaner restore")


@contextlib.contextmanager
def alone(file: Path) -> Iterator[None]:
    """Nobody else has the store open, or opens it, during the block. Raises :class:`UsageError`."""
    descriptor = _locked(file, alone=True)
    _alone.add(file)
    try:
        yield
    finally:
        _alone.discard(file)
        _close(descriptor)


def restored(file: Path) -> Path:
    """Where a restore puts the complete new store. From then on it is decided, and only has to be put in place."""
    return file.with_name(f"{file.name}.restored")


def put_in_place(file: Path, label: str) -> Path | None:
    """Move the store that is replaced aside, and the restored one to ``file``; where the replaced one is now.

    Safe to repeat at any point where it was interrupted, with the same ``label``.
    """
    aside = file.with_name(f"{file.name}.replaced-{label}")
    for suffix in ("-wal", "-shm", ""):  # a log that stayed would be written into the new file
        old = Path(f"{file}{suffix}")
        if old.exists():
            old.replace(f"{aside}{suffix}")
            reached("restore.moved")
    restored(file).replace(file)
    reached("restore.replaced")
    flush(file.parent)
    return aside if aside.exists() else None


def flush(folder: Path) -> None:
    """Make renames in it durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _locked(file: Path, *, alone: bool) -> int | None:
    """The lock's descriptor; ``None`` where no lock can be kept, on a read-only disk or on Windows."""
    if sys.platform == "win32":
        return None
    import fcntl

    beside = file.with_name(f"{file.name}.in-use")
    try:
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        if alone:
            raise StoreUnusable("the folder of the store cannot be written.") from None
        return None
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        if alone:
            raise UsageError(
                "the store is in use.", do="Stop every server and every other loaner that uses it, then repeat."
            ) from None
        raise StoreUnusable("the store is being restored right now.", do="Start again when it is done.") from None
    return descriptor


def _close(descriptor: int | None) -> None:
    if descriptor is not None:
        with contextlib.suppress(OSError):
            os.close(descriptor)
