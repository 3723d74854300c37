"""A backup of a store while its servers run: one consistent snapshot, checked before it counts as made."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine

from loaner import __version__
from loaner.audit.note import Verifier
from loaner.audit.stored import Stored, verify_stored
from loaner.clock import iso
from loaner.errors import RecordsAltered, StoreUnusable, UsageError
from loaner.maintenance import archive
from loaner.maintenance.archive import Manifest
from loaner.store import Sealed, in_use
from loaner.store import engine as engines
from loaner.store.schema import current

Told = Callable[[int, int], None]
"""Hears how many pages are done, and of how many."""
_PAGES = 2048


@dataclass(frozen=True)
class BackupSource:
    """What is backed up."""

    file: Path
    sealed: Sealed
    verifier: Verifier | None
    keys: dict[str, bytes]
    """Key files to put into the backup, by their names in the home; none unless they were asked for."""


def make(
    source: BackupSource, target: Path, *, at: datetime, replacing: bool = False, told: Told = lambda *_: None
) -> Manifest:
    """Write a backup to ``target``, for its owner alone; it appears there whole or not at all.

    Raises :class:`UsageError` over a file that exists unless ``replacing``, :class:`StoreUnusable` for a store that is
    damaged, :class:`RecordsAltered` where its records do not verify.
    """
    if target.exists() and not replacing:
        raise _exists(target)
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}.")
    # 0700, and on the disk of the target: what is renamed is complete.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".loaner-backup-") as folder:
        snapshot, whole = Path(folder, archive.STORE), Path(folder, "whole")
        copy(source.file, snapshot, told)
        manifest = _checked(snapshot, source, at)
        archive.write(whole, manifest, snapshot, source.keys)
        _publish(whole, target, replacing=replacing)
    in_use.flush(target.parent)
    return manifest


def copy(source: Path, target: Path, told: Told = lambda *_: None) -> None:
    """A snapshot by SQLite's backup API. Writers are not waited for, and what they add meanwhile is not in it."""
    target.touch(0o600)
    driver = engines.sqlite()
    release = in_use.shared(source)
    try:
        with (
            closing(driver.connect(str(source), isolation_level=None)) as here,
            closing(driver.connect(str(target), isolation_level=None)) as there,
        ):
            here.execute(f"PRAGMA busy_timeout = {engines.BUSY_MS}")
            # A transaction that has read pins one state; without it the copy begins anew with each write.
            here.execute("BEGIN")
            here.execute("SELECT count(*) FROM sqlite_master").fetchone()
            here.backup(there, pages=_PAGES, progress=lambda _, left, whole: told(whole - left, whole))
    except driver.Error as failure:
        raise StoreUnusable("the store cannot be read.", log=str(failure)) from None
    finally:
        release()


def examined(engine: Engine, verifier: Verifier | None) -> Stored:
    """What ``PRAGMA integrity_check`` and the records say of a store. Raises like :func:`make`."""

    def look(connection: Connection) -> Stored:
        found = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
        if found != ["ok"]:
            raise StoreUnusable("the store is damaged.", log=str(found[0]) if found else "")
        return verify_stored(connection, verifier)

    with engines.reading(engine).connect() as connection:
        stored = look(connection)
    if not stored.verdict:
        told = f"record {stored.verdict.first_bad}: " if stored.verdict.first_bad is not None else ""
        raise RecordsAltered(f"{told}{stored.verdict.why}", do="Nothing was written. See: loaner audit verify")
    return stored


def _checked(snapshot: Path, source: BackupSource, at: datetime) -> Manifest:
    engine = engines.of_file(snapshot)
    try:
        stored = examined(engine, source.verifier)
        with engines.reading(engine).connect() as connection:
            revision = current(connection)
    finally:
        engine.dispose()
    engines.settle(snapshot)
    return Manifest(
        v=archive.FORMAT,
        made_at=iso(at) or "",
        loaner=__version__,
        revision=revision or "",
        records=stored.verdict.count,
        head=stored.verdict.head,
        sha256=_sha256(snapshot),
        key=source.sealed.key_id().hex(),
        with_keys=bool(source.keys),
    ).signed(source.sealed)


def _publish(whole: Path, target: Path, *, replacing: bool) -> None:
    if replacing:
        whole.replace(target)
        return
    try:
        os.link(whole, target)  # refuses a file that has come meanwhile
    except FileExistsError:
        raise _exists(target) from None
    except OSError:  # a disk without hard links
        whole.replace(target)


def _exists(target: Path) -> UsageError:
    return UsageError(f"{target} exists.", do="Choose another name, or add --force to replace it.")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
