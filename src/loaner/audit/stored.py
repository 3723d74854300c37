"""Verifying the records of a store: the chain, the checkpoints it holds itself, and what was pruned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from loaner.audit import pruned, tree
from loaner.audit.checkpoint import Checkpoint
from loaner.audit.merkle import EMPTY
from loaner.audit.note import NotSigned, Verifier
from loaner.audit.pruned import Floor
from loaner.audit.read import every
from loaner.audit.verify import ChainVerdict, HeldCheckpoint, Start, verify
from loaner.errors import UsageError
from loaner.store.tables import checkpoints


@dataclass(frozen=True)
class Stored:
    """What was found in a store."""

    verdict: ChainVerdict
    held: int | None
    """The size of the newest checkpoint that was compared."""
    floor: Floor


def verify_stored(connection: Connection, verifier: Verifier | None, kept: Sequence[HeldCheckpoint] = ()) -> Stored:
    """Verify all records, against ``kept`` checkpoints and, where the key is here to tell, those in the store.

    Raises :class:`UsageError` where a kept checkpoint covers nothing but records that were pruned.
    """
    try:
        held = [*kept, *_own(connection, verifier)]
        floor = _floor(connection, verifier)
    except NotSigned as refused:
        return _bad(str(refused))
    if old := next((one for one in kept if one.size < floor.through), None):
        raise UsageError(
            f"the checkpoint covers {old.size} records, and {floor.through} were pruned.",
            do="Verify their export with it: loaner audit verify EXPORT --checkpoint FILE",
        )
    frontier = tree.before(connection, floor.through)
    if floor.through and (frontier.size, frontier.root) != (floor.through, floor.root):
        return _bad("the tiles of the pruned records are not those that were signed")
    verdict = verify(every(connection, floor.through), held, Start(floor.head, frontier))
    return Stored(verdict, max((one.size for one in held), default=None), floor)


def _own(connection: Connection, verifier: Verifier | None) -> list[HeldCheckpoint]:
    if verifier is None:
        return []
    notes = connection.execute(select(checkpoints.c.note).order_by(checkpoints.c.size)).scalars().all()
    try:
        found = [Checkpoint.opened(note, verifier) for note in notes]
    except NotSigned as refused:
        raise NotSigned(f"a checkpoint in the store is {refused}") from None
    return [HeldCheckpoint(one.size, one.root) for one in found]


def _floor(connection: Connection, verifier: Verifier | None) -> Floor:
    note = pruned.statement(connection)
    if note is None:
        return Floor()
    try:
        return pruned.trusted(note, verifier) if verifier else pruned.floor(connection)
    except NotSigned as refused:
        raise NotSigned(f"the statement about the pruned records is {refused}") from None


def _bad(why: str) -> Stored:
    return Stored(ChainVerdict(False, 0, "", EMPTY, None, why), None, Floor())
