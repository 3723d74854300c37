"""Is every record still the one that was written, in its place, and is none missing?

The chain shows a change, a gap or a swap by itself. It cannot show that its end was cut off, or that somebody wrote
a whole other history with good hashes: only a checkpoint that was kept elsewhere can.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from loaner.audit.chain import GENESIS, Filed, Record, link
from loaner.audit.merkle import EMPTY, Frontier


class NotARecord(ValueError):
    """Something stands where a record should. The reason quotes nothing of it."""


@dataclass(frozen=True)
class HeldCheckpoint:
    """What a checkpoint claims: so many records have this root."""

    size: int
    root: bytes


@dataclass(frozen=True)
class Start:
    """Where reading begins: at the first record, or after those that were pruned."""

    head: str = GENESIS
    frontier: Frontier = field(default_factory=Frontier)


@dataclass(frozen=True)
class ChainVerdict:
    """What was found. Truthy when every record is as it was written."""

    ok: bool
    count: int
    """Good records before the end, or before the first bad one."""
    head: str
    """The hash of the last good record."""
    root: bytes
    """The Merkle root over the good records."""
    first_bad: int | None = None
    """The ``seq`` where it went wrong; none when only a checkpoint disagrees, which covers many."""
    why: str | None = None

    def __bool__(self) -> bool:
        return self.ok


def verify(rows: Iterable[Record], held: Sequence[HeldCheckpoint] = (), start: Start | None = None) -> ChainVerdict:
    """Read all records once, in order, in constant memory, and compare with each checkpoint on the way."""
    start = start or Start()
    frontier, head = start.frontier, start.head
    waiting = sorted(held, key=lambda one: one.size)
    agreed = 0
    rows = iter(rows)
    while True:
        while waiting and waiting[0].size == frontier.size:
            if frontier.root != waiting[0].root:
                why = f"records {agreed + 1} to {frontier.size} are not the ones that the checkpoint was made over"
                return ChainVerdict(False, frontier.size, head, frontier.root, None, why)
            agreed = waiting.pop(0).size
        seq = frontier.size + 1
        try:
            record = next(rows, None)
        except NotARecord as bad:
            return ChainVerdict(False, frontier.size, head, frontier.root, seq, str(bad))
        if record is None:
            break
        if wrong := _wrong(record, seq, head):
            return ChainVerdict(False, frontier.size, head, frontier.root, seq, wrong)
        head = record.hash
        frontier.add(bytes.fromhex(head))
    if waiting:
        why = f"the records end at {frontier.size}, but a checkpoint covers {waiting[0].size}"
        return ChainVerdict(False, frontier.size, head, frontier.root, frontier.size + 1, why)
    return ChainVerdict(True, frontier.size, head, frontier.root if frontier.size else EMPTY)


def _wrong(record: Record, seq: int, head: str) -> str | None:
    if record.seq != seq:
        before = ": put the exports before it in front of it (cat)" if seq == 1 else ""
        return f"record {record.seq} stands where record {seq} belongs{before}"
    if record.prev_hash != head:
        return "it does not follow the record before it"
    try:
        if record.hash != link(head, seq, record.text):
            return "its hash is not the hash of what it says"
        # The columns are what readers search by; one that was changed would hide the record from them.
        if record.filed is not None and record.filed != Filed.under(record.body):
            return "it is filed under something else than it says"
    except (ValueError, KeyError, TypeError, RecursionError):
        return "it cannot be read"
    return None
