"""Restoring a store from a backup, safe to interrupt at any point.

The new store is built completely beside the old one. One rename decides; what is left after it are renames that
``loaner restore`` repeats, and until they are done no loaner opens the store.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, delete, select
from sqlalchemy.exc import SQLAlchemyError

from loaner.audit import event, tree
from loaner.audit.note import Verifier
from loaner.catalog.provider import Provider
from loaner.errors import LoanerError, StoreUnusable, UsageError
from loaner.failpoints import reached
from loaner.lending import journal
from loaner.lending.journal import OpenLoan
from loaner.maintenance import aftermath, archive, carrying
from loaner.maintenance.aftermath import Voided
from loaner.maintenance.archive import Archive, Manifest
from loaner.maintenance.backup import examined
from loaner.maintenance.carrying import Carried
from loaner.store import Sealed, in_use
from loaner.store import engine as engines
from loaner.store.schema import HEAD, bring_up_to_date
from loaner.store.tables import checkpoints
from loaner.store.tags import Tags


@dataclass(frozen=True)
class RestoreTarget:
    """Where a store is restored, and what is known there."""

    file: Path
    sealed: Sealed
    verifier: Verifier | None
    """Of the key that signs checkpoints, where it is here."""
    providers: dict[str, Provider]
    by: str
    """``Subject.key`` of who restores."""

    def tagging(self, engine: Engine) -> Engine:
        """The engine of a store whose rows carry tags under this key."""
        return engine.execution_options(tags=Tags(self.sealed))


@dataclass(frozen=True)
class Restored:
    """What came of it."""

    voided: Voided
    carried: Carried
    loans: list[OpenLoan]
    """What may be alive."""
    aside: Path | None
    """Where the replaced store is now."""


def restore(backup: Archive, place: RestoreTarget, *, at: datetime) -> Restored:
    """Put the store of ``backup`` in place of the present one.

    Raises :class:`UsageError` while the store is in use, and for a backup that is damaged, of a newer loaner or under
    another key; then nothing was changed.
    """
    refuse(backup.manifest, backup.path, place.sealed)
    with in_use.alone(place.file):
        if in_use.restored(place.file).exists():
            raise UsageError("another restore was interrupted.", do="Finish it first, with: loaner restore")
        building = place.file.with_name(f"{place.file.name}.building")
        _discard(building)
        try:
            backup.extract(building)
            voided, carried, loans = _built(building, backup, place, at)
            engines.settle(building)
            reached("restore.built")
            building.replace(in_use.restored(place.file))
        except BaseException:
            _discard(building)
            raise
        in_use.flush(place.file.parent)
        reached("restore.decided")
        return Restored(voided, carried, loans, _put(place.file))


def finish(file: Path) -> Path | None:
    """Put the store in place that an interrupted restore had decided on; where the replaced one is now.

    Raises :class:`UsageError` where nothing was interrupted.
    """
    with in_use.alone(file):
        if not in_use.restored(file).exists():
            raise UsageError("no restore was interrupted.", do="Name the backup: loaner restore FILE")
        return _put(file)


def in_place(connection: Connection, place: RestoreTarget, *, at: datetime) -> tuple[Voided, Carried, list[OpenLoan]]:
    """The same for a store that something else has restored: a database server, or the snapshot of a disk."""
    return _settled(connection, None, place, "restored by other means", at)


def refuse(manifest: Manifest, path: Path, sealed: Sealed) -> None:
    """Raises :class:`UsageError` for a backup that cannot serve here."""
    if manifest.revision > HEAD:
        raise UsageError(
            f"{path} was made by a newer loaner ({manifest.loaner}; its tables are of revision {manifest.revision}).",
            do="Use that one.",
        )
    if not manifest.is_of(sealed):
        raise UsageError(
            f"{path} was made under another sealing key (its id is {manifest.key}), or was changed since.",
            do="Put that key in place: `loaner keys show` lists the ids of those that are here.",
        )


def _built(
    building: Path, backup: Archive, place: RestoreTarget, at: datetime
) -> tuple[Voided, Carried, list[OpenLoan]]:
    engine = engines.of_file(building)
    try:
        with engine.connect() as connection:
            _must_be_what_was_backed_up(engine, backup, place.verifier)
            connection.rollback()
        bring_up_to_date(engine)
        with _old(place.file) as replaced, place.tagging(engine).begin() as connection:
            source = f"the backup of {backup.manifest.made_at}, {backup.manifest.records} records"
            return _settled(connection, replaced, place, source, at)
    except SQLAlchemyError as failure:
        raise StoreUnusable("the store cannot be restored.", log=str(getattr(failure, "orig", failure))) from None
    finally:
        engine.dispose()


def _must_be_what_was_backed_up(engine: Engine, backup: Archive, verifier: Verifier | None) -> None:
    try:
        found = examined(engine, verifier if _signed_here(engine, verifier) else None).verdict
    except LoanerError:
        raise archive.damaged(backup.path) from None
    if (found.count, found.head) != (backup.manifest.records, backup.manifest.head):
        raise archive.damaged(backup.path)


def _signed_here(engine: Engine, verifier: Verifier | None) -> bool:
    """Are the backup's checkpoints of the key that is here? On a new machine it may be another."""
    with engines.reading(engine).connect() as connection:
        notes = connection.execute(select(checkpoints.c.note)).scalars().all()
    return verifier is not None and all(f"\n— {verifier.name} " in note for note in notes)


def _settled(
    connection: Connection, replaced: Connection | None, place: RestoreTarget, source: str, at: datetime
) -> tuple[Voided, Carried, list[OpenLoan]]:
    carried = carrying.carry(connection, replaced, place.providers, at)
    voided = aftermath.void(connection, at)
    note = place.verifier.name if place.verifier else ""
    foreign = checkpoints.c.note.not_like(f"%\n— {note} %") if note else checkpoints.c.size >= 0
    connection.execute(delete(checkpoints).where(foreign))  # nobody here could check them, or sign the next
    event.note(
        connection,
        "restore",
        subject=place.by,
        at=at,
        outcome="ok",
        reason=f"restored from {source}; {_compared(connection, replaced)}",
    )
    return voided, carried, journal.open_loans(connection)


def _compared(connection: Connection, replaced: Connection | None) -> str:
    """What the chain loses by it, for whoever verifies it with a checkpoint of the time since."""
    here = tree.size(connection)
    with suppress(SQLAlchemyError, LoanerError):
        if replaced is not None:
            signed = tree.latest(replaced)
            upto = f", signed up to {signed.size}" if signed else ""
            return f"the replaced store had {tree.size(replaced)} records{upto}, and this one goes on after {here}"
    return f"the replaced store could not be read, and this one goes on after {here}"


@contextmanager
def _old(file: Path) -> Iterator[Connection | None]:
    """The store that is replaced, brought up to date so that it can be compared; ``None`` where it cannot be read."""
    if not file.exists():
        yield None
        return
    engine = None
    try:
        try:
            engine = engines.of_file(file)
            bring_up_to_date(engine)
            connection = engines.reading(engine).connect()
        except (SQLAlchemyError, LoanerError):
            yield None
            return
        with connection:
            yield connection
    finally:
        if engine is not None:
            engine.dispose()


def _put(file: Path) -> Path | None:
    # From the file itself, so that a repeated attempt finds the same name.
    made = datetime.fromtimestamp(in_use.restored(file).stat().st_mtime, UTC)
    return in_use.put_in_place(file, f"{made:%Y%m%dT%H%M%S}-{made.microsecond // 1000:03}")


def _discard(building: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{building}{suffix}").unlink(missing_ok=True)
