"""The report: the records of a range in words, each with the proof that it is among those of a checkpoint."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from loaner.audit import Record
from loaner.audit.chain import link
from loaner.audit.checkpoint import Checkpoint
from loaner.audit.merkle import Tree, includes
from loaner.audit.proof import HEADING
from loaner.audit.usage import Span
from loaner.clock import from_iso
from loaner.errors import RecordsAltered, UsageError
from loaner.evidence.controls import CONTROLS, TITLES, Group, of
from loaner.evidence.sentences import Approvals, group, sentence

BEYOND: Final = (
    "Access that does not go through loaner. `loaner inventory` finds keys that would allow it.",
    "That whoever pressed a button was who their session says, beyond what “proven by” names.",
    "What a provider did with a request besides its answer. Its own log has that.",
    "Arguments and contents of calls: records keep digests of them alone.",
)


@dataclass(frozen=True)
class Line:
    record: Record
    at: str
    group: Group
    told: str
    path: tuple[bytes, ...]

    def proof(self, note: str) -> str:
        """As ``loaner audit prove`` prints it, and ``loaner audit verify`` takes it."""
        extra = base64.b64encode(self.record.line().encode()).decode()
        lines = [HEADING, f"extra {extra}", f"index {self.record.seq - 1}", *map(_b64, self.path)]
        return "\n".join(lines) + "\n\n" + note


@dataclass
class Gathered:
    """What is kept of the records while they are read once: each one's hash, and those of the range."""

    span: Span
    hashes: dict[int, bytes] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)

    def through(self, rows: Iterable[Record]) -> Iterator[Record]:
        for record in rows:
            self.hashes[record.seq] = bytes.fromhex(record.hash)
            if self.span.holds(from_iso(record.body["at"])):
                self.records.append(record)
            yield record


@dataclass(frozen=True)
class _Remembering(Tree):
    """Each subtree is hashed once, however many proofs it is in."""

    _known: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def _root(self, low: int, high: int) -> bytes:
        if (low, high) not in self._known:
            self._known[low, high] = super()._root(low, high)
        return self._known[low, high]


@dataclass(frozen=True)
class EvidenceReport:
    start: str
    end: str
    checkpoint: Checkpoint
    note: str
    vkey: str
    lines: tuple[Line, ...]

    @classmethod
    def made(
        cls,
        gathered: Gathered,
        days: tuple[str, str],
        checkpoint: Checkpoint,
        note: str,
        vkey: str,
        tiles: dict[int, bytes],
    ) -> EvidenceReport:
        """Of records that were verified. Raises :class:`UsageError` where the checkpoint does not cover the range."""
        if late := [record.seq for record in gathered.records if record.seq > checkpoint.size]:
            raise UsageError(
                f"the checkpoint covers {checkpoint.size} records, and the range goes up to record {late[-1]}.",
                do="Make one that covers it: loaner audit checkpoint",
            )

        def leaves(low: int, high: int) -> list[bytes]:
            return [gathered.hashes[index + 1] for index in range(low, high)]

        tree, approvals, lines = _Remembering(leaves, tiles.get), Approvals(), []
        for record in gathered.records:
            said = record.body
            approvals.learn(record, said)
            path = tuple(tree.inclusion(record.seq - 1, checkpoint.size))
            _check(record, path, checkpoint)
            lines.append(Line(record, said["at"], group(said), sentence(said, approvals), path))
        return cls(*days, checkpoint, note, vkey, tuple(lines))

    def facts(self) -> Iterator[dict[str, Any]]:
        """Objects for JSON Lines: the report itself, its controls, its lines, and what cannot be shown."""
        counts = Counter(line.group for line in self.lines)
        yield {
            "what": "report", "from": self.start, "to": self.end, "records": len(self.lines),
            "checkpoint": {"size": self.checkpoint.size, "root": _b64(self.checkpoint.root), "note": self.note},
            "vkey": self.vkey,
        }  # fmt: skip
        for control in CONTROLS:
            shown = {name: counts[name] for name in control.shown_by}
            yield {
                "what": "control",
                "name": control.name,
                "asks": control.asks,
                "lines": shown,
                "cannot_show": control.cannot,
            }
        for line in self.lines:
            yield {
                "what": "line", "seq": line.record.seq, "at": line.at, "group": line.group, "told": line.told,
                "controls": [control.name for control in of(line.group)],
                "hash": line.record.hash, "proof": line.proof(self.note),
            }  # fmt: skip
        for one in BEYOND:
            yield {"what": "cannot_show", "told": one}

    def titles(self) -> Iterator[tuple[str, list[Line]]]:
        for name, title in TITLES.items():
            yield title, [line for line in self.lines if line.group == name]


def _check(record: Record, path: tuple[bytes, ...], checkpoint: Checkpoint) -> None:
    """No line goes out whose proof would not be taken. Raises :class:`RecordsAltered`."""
    fits = record.hash == link(record.prev_hash, record.seq, record.text)
    if not fits or not includes(bytes.fromhex(record.hash), record.seq - 1, checkpoint.size, path, checkpoint.root):
        raise RecordsAltered(f"record {record.seq} is not the one that the checkpoint was made over.")


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
