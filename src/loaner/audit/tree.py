"""The tree over the stored records: tiles are added in batches, beside the calls, so that no append waits for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from loaner.audit import pruned
from loaner.audit.chain import link
from loaner.audit.checkpoint import Checkpoint
from loaner.audit.merkle import TILE, Frontier, Tree, root_of
from loaner.audit.note import Signer
from loaner.errors import RecordsAltered
from loaner.store.tables import checkpoints, records, tiles

BATCH = 16
"""Tiles in one transaction: a few milliseconds, in which no record is appended."""


@dataclass(frozen=True)
class Signed:
    """A checkpoint that was signed here, as it was handed out."""

    size: int
    root: bytes
    note: str
    at: datetime


def stored(connection: Connection) -> Tree:
    """The tree over the records. What it reads of them it checks: :class:`RecordsAltered`."""
    kept = {row.number: bytes.fromhex(row.root) for row in connection.execute(select(tiles)).all()}
    return Tree(lambda low, high: _leaves(connection, low, high), kept.get)


def size(connection: Connection) -> int:
    """How many records there are."""
    return int(connection.execute(select(func.coalesce(func.max(records.c.seq), 0))).scalar_one())


def before(connection: Connection, through: int) -> Frontier:
    """The tree over the first ``through`` records, which are whole tiles, from the tiles' roots alone."""
    rows = select(tiles.c.root).where(tiles.c.number < through // TILE).order_by(tiles.c.number)
    return Frontier.over_tiles(bytes.fromhex(root) for root in connection.execute(rows).scalars())


def tile_roots(connection: Connection, through: int) -> dict[int, bytes]:
    """The roots of the tiles over the first ``through`` records, which may not be there any more."""
    rows = connection.execute(select(tiles).where(tiles.c.number < through // TILE)).all()
    return {row.number: bytes.fromhex(row.root) for row in rows}


def extend(connection: Connection) -> bool:
    """Keep the roots of up to :data:`BATCH` further tiles, inside a ``Store.write``; says whether more are waiting."""
    done = int(connection.execute(select(func.coalesce(func.max(tiles.c.number) + 1, 0))).scalar_one())
    whole = size(connection) // TILE
    for number in range(done, min(whole, done + BATCH)):
        root = root_of(_leaves(connection, number * TILE, (number + 1) * TILE))
        connection.execute(insert(tiles).values(number=number, root=root.hex()))
    return done + BATCH < whole


def sign(connection: Connection, signer: Signer, at: datetime) -> Signed:
    """Sign a checkpoint over all records so far and keep it, inside a ``Store.write``.

    Never signs what contradicts the checkpoint before it: :class:`RecordsAltered`.
    """
    now, tree, last = size(connection), stored(connection), latest(connection)
    if last and (last.size > now or tree.root(last.size) != last.root):
        raise RecordsAltered(f"the first {last.size} records are not the ones that were signed before.")
    if last and last.size == now:
        return last
    checkpoint = Checkpoint(now, tree.root(now))
    made = Signed(now, checkpoint.root, checkpoint.signed(signer), at)
    connection.execute(insert(checkpoints).values(size=now, root=made.root.hex(), note=made.note, at=at))
    return made


def latest(connection: Connection) -> Signed | None:
    """The newest checkpoint that was signed here."""
    row = connection.execute(select(checkpoints).order_by(checkpoints.c.size.desc()).limit(1)).first()
    return None if row is None else Signed(row.size, bytes.fromhex(row.root), row.note, row.at)


def _leaves(connection: Connection, low: int, high: int) -> list[bytes]:
    """The hashes of records ``low + 1`` to ``high``, each link checked, the first one's to its predecessor too."""
    floor = pruned.floor(connection)
    if low < floor.through:
        raise RecordsAltered(f"record {low + 1} was pruned.", do="It stands in the export that was made then.")
    expected = low if low > floor.through else low + 1
    wanted = select(records.c.seq, records.c.prev_hash, records.c.hash, records.c.body)
    rows = connection.execute(wanted.where(records.c.seq.between(expected, high)).order_by(records.c.seq)).all()
    before = floor.head if low == floor.through or not rows else rows[0].prev_hash
    for row in rows:
        if (row.seq, row.prev_hash, row.hash) != (expected, before, link(before, expected, row.body)):
            break
        before, expected = row.hash, expected + 1
    if expected != high + 1:
        raise RecordsAltered(f"record {expected} is not as it was written.", do="Run: loaner audit verify")
    return [bytes.fromhex(row.hash) for row in rows if row.seq > low]
