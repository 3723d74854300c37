"""Reading and verifying what a report of evidence is made of."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from loaner.audit import read, tree
from loaner.audit.checkpoint import Checkpoint
from loaner.audit.export import read_jsonl
from loaner.audit.note import NotSigned, Verifier
from loaner.audit.signing import verifier_of
from loaner.audit.stored import verify_stored
from loaner.audit.verify import ChainVerdict, HeldCheckpoint, NotARecord, verify
from loaner.cli import _records, _verifying
from loaner.cli._open import opened_store
from loaner.errors import RecordsAltered, UsageError
from loaner.evidence.report import EvidenceReport, Gathered
from loaner.settings import load

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True)
class Asked:
    start: str
    end: str
    export: Path | None
    checkpoint: Path | None
    vkey: str | None


@dataclass(frozen=True)
class _Signed:
    checkpoint: Checkpoint
    note: str
    vkey: str

    @property
    def held(self) -> HeldCheckpoint:
        return HeldCheckpoint(self.checkpoint.size, self.checkpoint.root)


def report(asked: Asked) -> EvidenceReport:
    """Raises :class:`UsageError`, and :class:`RecordsAltered` where the records do not verify."""
    gathered = Gathered(_records.span(asked.start, asked.end))
    settings = load()
    verifier = _verifying.named(asked.vkey) if asked.vkey else verifier_of(settings)
    if verifier is None:
        raise UsageError("whose checkpoint is it?", do="Give the log's public key: --vkey name+id+key")
    if asked.export is None:
        with opened_store(settings) as store:
            return store.read_now(partial(_of_store, asked=asked, gathered=gathered, verifier=verifier))
    if asked.checkpoint is None:
        raise UsageError("an export has no checkpoint in it.", do="Give one: --checkpoint FILE")
    return _of_export(asked.export, asked, gathered, _opened(_text(asked.checkpoint), verifier))


def _of_store(connection: Connection, asked: Asked, gathered: Gathered, verifier: Verifier) -> EvidenceReport:
    newest = tree.latest(connection)
    if asked.checkpoint is None and newest is None:
        raise UsageError(
            "there is no checkpoint yet to prove anything against.", do="Make one: loaner audit checkpoint"
        )
    note = _text(asked.checkpoint) if asked.checkpoint else newest.note if newest else ""
    signed = _opened(note, verifier)
    first = next(iter(read.tail(connection, 1, after_seq=0)), None)
    _records.refuse_pruned(_records.found((), first), gathered.span)
    stored = verify_stored(connection, verifier, [signed.held])
    _must_be_ok(stored.verdict)
    for _ in gathered.through(read.every(connection, stored.floor.through)):
        pass
    tiles = tree.tile_roots(connection, stored.floor.through)
    return _made(gathered, asked, signed, tiles)


def _of_export(file: Path, asked: Asked, gathered: Gathered, signed: _Signed) -> EvidenceReport:
    try:
        with file.open("rb") as opened:
            _must_be_whole(opened)
            _must_be_ok(verify(gathered.through(read_jsonl(opened)), [signed.held]))
    except OSError as failure:
        raise UsageError(f"{file} cannot be read: {failure.strerror}.") from None
    return _made(gathered, asked, signed, {})


def _must_be_whole(export: BinaryIO) -> None:
    """Where the first ones are missing nothing follows. What is no record at all is for the verification to tell."""
    with suppress(NotARecord):
        first = next(read_jsonl(export), None)
        if first is not None and first.seq > 1:
            raise UsageError(
                f"records 1 to {first.seq - 1} are not in this export.",
                do="Put the exports before it in front of it: cat OLD NEW > WHOLE",
            )
    export.seek(0)


def _made(gathered: Gathered, asked: Asked, signed: _Signed, tiles: dict[int, bytes]) -> EvidenceReport:
    return EvidenceReport.made(gathered, (asked.start, asked.end), signed.checkpoint, signed.note, signed.vkey, tiles)


def _must_be_ok(verdict: ChainVerdict) -> None:
    if not verdict.ok:
        where = f"record {verdict.first_bad}: " if verdict.first_bad is not None else ""
        raise RecordsAltered(f"{where}{verdict.why}.", do="No report was made. See: loaner audit verify")


def _opened(note: str, verifier: Verifier) -> _Signed:
    try:
        return _Signed(Checkpoint.opened(note, verifier), note, str(verifier))
    except NotSigned as refused:
        raise UsageError(f"the checkpoint is {refused}.", do="Give its log's public key: --vkey name+id+key") from None


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, ValueError):
        raise UsageError(f"{file} cannot be read.") from None
