"""The records of the store, or of an export, for a verb that reads them all; and the days that it is asked about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from loaner.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from loaner.audit import Record
    from loaner.audit.usage import Span


Result = TypeVar("Result")


@dataclass(frozen=True)
class Read:
    records: Iterable[Record]
    pruned: int
    """Records that stand before the first one, and are not here."""
    first_at: datetime | None
    """When the first of them was closed."""


def reading(file: Path | None, work: Callable[[Read], Result]) -> Result:
    """What ``work`` makes of the records of the store, or of an export where one is named."""
    from loaner.audit import read
    from loaner.audit.export import read_jsonl
    from loaner.audit.verify import NotARecord
    from loaner.cli._open import opened_store

    if file is None:

        def of_store(connection: Connection) -> Result:
            first = next(iter(read.tail(connection, 1, after_seq=0)), None)
            return work(found(read.every(connection), first))

        with opened_store() as store:
            return store.read_now(of_store)
    try:
        with file.open("rb") as opened:
            first = next(read_jsonl(opened), None)
            opened.seek(0)
            return work(found(read_jsonl(opened), first))
    except OSError as failure:
        raise UsageError(f"{file} cannot be read: {failure.strerror}.") from None
    except NotARecord as wrong:
        raise UsageError(f"{file} is no export of records: {wrong}.", do="Make one: loaner audit export") from None


def found(records: Iterable[Record], first: Record | None) -> Read:
    from loaner.clock import from_iso

    at = from_iso(first.body["at"]) if first else None
    return Read(records, first.seq - 1 if first else 0, at)


def span(start: str | None, end: str | None) -> Span:
    """``--from`` and ``--to``: days of UTC, the last one whole. Raises :class:`UsageError`."""
    from loaner.audit.usage import Span

    first, last = _day("--from", start), _day("--to", end)
    if first and last and last < first:
        raise UsageError(f"--to {end} is before --from {start}.")
    return Span(first, last + timedelta(days=1) if last else None)


def refuse_pruned(found: Read, asked: Span) -> None:
    """A part for the whole would be a wrong answer. Raises :class:`UsageError`."""
    if found.pruned and found.first_at and (asked.start is None or asked.start <= found.first_at):
        raise UsageError(
            f"records 1 to {found.pruned} are not here any more (pruned), and the range reaches into them.",
            do=f"Give an export that holds them: --export FILE, or a later --from than {found.first_at:%Y-%m-%d}.",
        )


def _day(option: str, written: str | None) -> datetime | None:
    if written is None:
        return None
    try:
        return datetime.strptime(written, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise UsageError(f"{option} {written[:40]!r} is no day.", do=f"For example: {option} 2026-11-30") from None
