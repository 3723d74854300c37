"""What ``loaner audit verify`` looks at, and how it tells what it found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection

from loaner.audit import agreement, export, proof
from loaner.audit.checkpoint import Checkpoint
from loaner.audit.note import NotSigned, Verifier
from loaner.audit.read import every
from loaner.audit.signing import verifier_of
from loaner.audit.stored import verify_stored
from loaner.audit.verify import ChainVerdict, HeldCheckpoint, verify
from loaner.cli._open import opened_store
from loaner.clock import iso, utc_now
from loaner.errors import RecordsAltered, UsageError
from loaner.settings import load
from loaner.store import Store
from loaner.store.restored import restored_at


@dataclass(frozen=True)
class CheckFinding:
    """A verdict, and the newest checkpoint that it was held against."""

    ok: bool
    count: int
    head: str
    held: int | None = None
    first_bad: int | None = None
    why: str | None = None
    proven: int | None = None
    """The one record of a proof."""
    pruned: int = 0
    """How many records before these stand in an export only."""

    def facts(self) -> dict[str, object]:
        facts: dict[str, object] = {"ok": self.ok, "records": self.count, "head": self.head, "checkpoint": self.held}
        if self.proven is not None:
            facts["proven"] = self.proven
        if self.pruned:
            facts["pruned"] = self.pruned
        return facts if self.ok else facts | {"first_bad": self.first_bad, "why": self.why}

    def told(self) -> str:
        if not self.ok:
            where = f"record {self.first_bad}: " if self.first_bad is not None else ""
            return f"✗ {where}{self.why}   ({self.count:,} good before it)"
        if self.proven is not None:
            return f"✓ record {self.proven} is among the {self.held:,} of its checkpoint   hash {self.head[:8]}…"
        covered = f"   signed up to {self.held:,}" if self.held else "   no checkpoint held against it"
        gone = f"   records 1 to {self.pruned:,} were pruned" if self.pruned else ""
        return f"✓ {self.count:,} records, chain intact   head {self.head[:8]}…{covered}{gone}"

    def must_be_ok(self) -> None:
        """Raises :class:`RecordsAltered`."""
        if not self.ok:
            raise RecordsAltered(self.told().removeprefix("✗ "), do="Nothing was signed. See: loaner audit verify")


def verdict(file: Path | None, kept: list[Path], vkey: str | None) -> CheckFinding:
    """Verify the store, an export or a proof. Raises :class:`UsageError` when it cannot even be begun."""
    settings = load()
    verifier = named(vkey) if vkey is not None else verifier_of(settings)
    held = [_held(path, verifier) for path in kept]
    if file is None:
        with opened_store(settings) as store:
            found = store_verdict(store, verifier, held)
            return _agreed(store, found) if found.ok else found
    try:
        with file.open("rb") as opened:
            start = opened.read(len(proof.HEADING))
            opened.seek(0)
            if start == proof.HEADING.encode():
                return _of_proof(opened.read(1 << 20), verifier)
            return _found(verify(export.read_jsonl(opened), held), held)
    except OSError as failure:
        raise UsageError(f"{file} cannot be read: {failure.strerror}.") from None


def store_verdict(store: Store, verifier: Verifier | None, held: list[HeldCheckpoint] | None = None) -> CheckFinding:
    """Verify the store, against the checkpoints that it holds itself too, where this loaner's key is there to tell."""

    found = store.read_now(lambda connection: verify_stored(connection, verifier, held or ()))
    told = found.verdict
    why = told.why
    if why and (since := store.read_now(_restored)):
        why += f" (the store was restored from a backup on {since})"
    pruned = found.floor.through
    return CheckFinding(told.ok, told.count, told.head, found.held, told.first_bad, why, pruned=pruned)


def _agreed(store: Store, found: CheckFinding) -> CheckFinding:
    """The records are as they were written: so do the calls, and the tables, agree with them?"""

    def look(connection: Connection) -> CheckFinding:
        rows = every(connection, found.pruned)
        for seq, why in agreement.wrong_calls(rows, whole=not found.pruned):
            return replace(found, ok=False, first_bad=seq, why=why)
        for why in agreement.differences(connection, utc_now()):
            return replace(found, ok=False, why=f"the store does not say what the records say: {why}")
        return found

    return store.read_now(look)


def _restored(connection: Connection) -> str | None:
    """A checkpoint of the time between a backup and its restore cannot fit any more, and that is why."""
    return iso(restored_at(connection))


def _found(verdict: ChainVerdict, held: list[HeldCheckpoint]) -> CheckFinding:
    newest = max((one.size for one in held), default=None)
    return CheckFinding(verdict.ok, verdict.count, verdict.head, newest, verdict.first_bad, verdict.why)


def _of_proof(text: bytes, verifier: Verifier | None) -> CheckFinding:
    if verifier is None:
        raise UsageError("whose checkpoint is it?", do="Give the log's public key: --vkey name+id+key")
    try:
        proven = proof.check(text.decode(), verifier)
    except ValueError as refused:
        why = str(refused) if isinstance(refused, proof.NotProven) else "it is not text"
        return CheckFinding(False, 0, "", None, None, why)
    return CheckFinding(True, 1, proven.record.hash, proven.checkpoint.size, proven=proven.record.seq)


def named(vkey: str) -> Verifier:
    """Raises :class:`UsageError`."""
    try:
        return Verifier.parse(vkey)
    except ValueError:
        raise UsageError("--vkey is not a public key.", do="It is what `loaner audit checkpoint` printed.") from None


def _held(path: Path, verifier: Verifier | None) -> HeldCheckpoint:
    if verifier is None:
        raise UsageError("whose checkpoint is it?", do="Give the log's public key: --vkey name+id+key")
    try:
        return _opened(path.read_text(), verifier)
    except OSError as failure:
        raise UsageError(f"{path} cannot be read: {failure.strerror}.") from None
    except ValueError as refused:
        why = str(refused) if isinstance(refused, NotSigned) else "not text"
        raise UsageError(f"{path} is no checkpoint to trust: {why}.") from None


def _opened(note: str, verifier: Verifier | None) -> HeldCheckpoint:
    if verifier is None:
        raise NotSigned("of an unknown log")
    checkpoint = Checkpoint.opened(note, verifier)
    return HeldCheckpoint(checkpoint.size, checkpoint.root)
