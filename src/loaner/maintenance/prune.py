"""Taking out what is over. Never an open loan, a live grant, an approval or a block; records only behind an export.

Safe to interrupt: each step leaves a store that verifies, and the next run goes on.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, func, select

from loaner.audit import Audit, event, export, pruned, tree
from loaner.audit.chain import Record
from loaner.audit.merkle import TILE
from loaner.audit.note import Signer
from loaner.audit.pruned import Floor
from loaner.audit.read import show, tail
from loaner.audit.stored import verify_stored
from loaner.audit.verify import Start, verify
from loaner.errors import RecordsAltered, UsageError
from loaner.grants import loan_rows
from loaner.store import Store, in_use
from loaner.store.tables import checkpoints, consents, loans, records

BATCH = 500
"""Rows in one transaction: calls go on between two."""
_OVER = ("returned", "expired", "failed")
_ANSWERED = ("approved", "denied", "expired", "failed")
Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Retention:
    """What is kept: days since it was over. ``None`` keeps it for ever."""

    closed_days: int | None
    records_days: int | None


@dataclass(frozen=True)
class Plan:
    """What a run would take out."""

    loans: int
    consents: int
    through: int
    """The last record to go; no higher than what was pruned before where none does."""
    pruned: int
    """The last record that is gone already."""

    @property
    def records(self) -> int:
        return max(0, self.through - self.pruned)


def plan(connection: Connection, retention: Retention, at: datetime) -> Plan:
    """Look only."""
    before = _before(at, retention.closed_days)
    floor = pruned.floor(connection).through
    return Plan(
        loans=_count(connection, loans, _closed_loans(before)) if before else 0,
        consents=_count(connection, consents, _answered(before)) if before else 0,
        through=_through(connection, _before(at, retention.records_days), floor),
        pruned=floor,
    )


async def closed(store: Store, retention: Retention, at: datetime, told: Told) -> tuple[int, int]:
    """Delete closed loans and answered consent requests; how many of each."""
    before = _before(at, retention.closed_days)
    if before is None:
        return 0, 0
    return (
        await _deleted(store, loans, _closed_loans(before), told),
        await _deleted(store, consents, _answered(before), told),
    )


async def prune_records(
    store: Store, wanted: Plan, target: Path, signer: Signer, *, by: str, now: Callable[[], datetime], told: Told
) -> str:
    """Export the records that ``wanted`` names to ``target``, sign what stands for them, and delete them.

    Answers the export's SHA-256. Raises :class:`RecordsAltered` where the records do not verify, and
    :class:`UsageError` where the export cannot be written; then none is deleted.
    """
    await Audit(store, now).checkpoint(signer)  # also brings the tiles up to date
    if not (found := store.read_now(lambda c: verify_stored(c, signer.verifier)).verdict):
        raise RecordsAltered(str(found.why), do="Nothing was deleted. See: loaner audit verify")
    digest = store.read_now(lambda c: _exported(c, wanted, target, told))
    at = now()

    def declare(connection: Connection) -> None:
        floor = pruned.floor(connection).through
        last = show(connection, wanted.through)
        if floor != wanted.pruned or last is None:
            raise UsageError("another prune was first.", do="Run it again.")
        root = tree.stored(connection).root(wanted.through)
        note = Floor(wanted.through, last.hash, root, digest).signed(signer)
        # Said in the chain too, by a record that stays.
        told = f"records {floor + 1} to {wanted.through} were pruned; their export has the SHA-256 {digest}"
        event.note(connection, "prune", subject=by, at=at, outcome="ok", reason=told)
        pruned.declare(connection, note)
        connection.execute(delete(checkpoints).where(checkpoints.c.size < wanted.through))

    await store.write(declare)
    await sweep(store, told)
    return digest


async def sweep(store: Store, told: Told) -> int:
    """Delete the records that count as pruned: also those that an interrupted run has left."""
    floor = store.read_now(pruned.floor).through
    return await _deleted(store, records, records.c.seq <= floor, told)


def _exported(connection: Connection, wanted: Plan, target: Path, told: Told) -> str:
    """Write, read back and verify; the SHA-256 of the file."""
    floor = pruned.floor(connection)
    digest = hashlib.sha256()
    try:
        with os.fdopen(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "wb+") as file:
            for record in _these(connection, floor.through, wanted.through):
                line = record.line().encode()
                digest.update(line)
                file.write(line)
                told(record.seq - floor.through, wanted.records)
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            start = Start(floor.head, tree.before(connection, floor.through))
            verdict = verify(export.read_jsonl(file), start=start)
        in_use.flush(target.absolute().parent)
    except FileExistsError:
        raise UsageError(
            f"{target} exists.", do="Each prune makes an export of its own: choose another name."
        ) from None
    except OSError as failure:
        raise UsageError(f"{target} cannot be written: {failure.strerror}.", do="Nothing was deleted.") from None
    if not verdict or verdict.count != wanted.through:
        raise RecordsAltered("the export does not verify.", do="Nothing was deleted. See: loaner audit verify")
    return digest.hexdigest()


def _these(connection: Connection, after: int, through: int) -> Iterator[Record]:
    while after < through:
        page = tail(connection, min(1000, through - after), after_seq=after)
        if not page:
            return
        yield from page
        after = page[-1].seq


def _through(connection: Connection, before: datetime | None, floor: int) -> int:
    """The last record of the last whole tile of which every one is older, and none is of a loan that is open."""
    if before is None:
        return floor
    newer = connection.execute(select(func.min(records.c.seq)).where(records.c.at >= before)).scalar()
    calls = select(loans.c.call_id).where(loans.c.state.in_(loan_rows.OPEN))
    needed = connection.execute(select(func.min(records.c.seq)).where(records.c.id.in_(calls))).scalar()
    last = tree.size(connection) - 1  # the last one stays: the next follows it
    last = min([last, *(seq - 1 for seq in (newer, needed) if seq is not None)])
    return int(max(floor, last // TILE * TILE))


def _closed_loans(before: datetime) -> ColumnElement[bool]:
    return and_(loans.c.state.in_(_OVER), loans.c.returned_at < before, loans.c.latest_expiry < before)


def _answered(before: datetime) -> ColumnElement[bool]:
    return and_(consents.c.state.in_(_ANSWERED), consents.c.expires_at < before)


def _before(at: datetime, days: int | None) -> datetime | None:
    return None if days is None else at - timedelta(days=days)


def _count(connection: Connection, table: Table, over: ColumnElement[bool]) -> int:
    return int(connection.execute(select(func.count()).select_from(table).where(over)).scalar_one())


async def _deleted(store: Store, table: Table, over: ColumnElement[bool], told: Told) -> int:
    (identity,) = table.primary_key.columns
    whole, gone = store.read_now(lambda c: _count(c, table, over)), 0

    def batch(connection: Connection) -> int:
        rows = list(connection.execute(select(identity).where(over).limit(BATCH)).scalars())
        connection.execute(delete(table).where(identity.in_(rows)))
        return len(rows)

    while taken := await store.write(batch):
        gone += taken
        told(gone, max(whole, gone))
    return gone
