"""A Merkle tree over the records (RFC 6962 §2.1), so that one short value stands for all of them.

Leaf ``i`` is the hash of record ``i + 1``. No I/O here: a :class:`Tree` asks for the leaves of a range, and for the
root of a whole tile of 256 where someone has kept it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

TILE = 256
"""Leaves in one tile. Any power of two is a subtree of the RFC's tree."""
EMPTY = hashlib.sha256().digest()
"""The root over nothing."""


def leaf(data: bytes) -> bytes:
    # The two prefixes keep a leaf from being passed off as a node, and the other way round.
    return hashlib.sha256(b"\x00" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass
class Frontier:
    """The roots of the complete subtrees so far: enough to add leaves one by one and to know the root at any size."""

    size: int = 0
    _roots: list[bytes] = field(default_factory=list)

    def add(self, data: bytes) -> None:
        self._put(leaf(data), self.size)
        self.size += 1

    @classmethod
    def over_tiles(cls, tiles: Iterable[bytes]) -> Frontier:
        """After whole tiles of which only the roots are left."""
        frontier = cls()
        for root in tiles:
            frontier._put(root, frontier.size // TILE)
            frontier.size += TILE
        return frontier

    def _put(self, carried: bytes, before: int) -> None:
        while before & 1:
            carried = node(self._roots.pop(), carried)
            before >>= 1
        self._roots.append(carried)

    @property
    def root(self) -> bytes:
        if not self._roots:
            return EMPTY
        *lower, top = self._roots
        for left in reversed(lower):
            top = node(left, top)
        return top


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over a few leaves' data."""
    frontier = Frontier()
    for data in leaves:
        frontier.add(data)
    return frontier.root


@dataclass(frozen=True)
class Tree:
    """Roots and proofs over any prefix of the records."""

    leaves: Callable[[int, int], Sequence[bytes]]
    """The data of leaves ``low`` (included) to ``high`` (not)."""
    tile: Callable[[int], bytes | None] = lambda _: None
    """The root of tile ``n``, where it was kept."""

    def root(self, size: int) -> bytes:
        return self._root(0, size)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The audit path of leaf ``index`` in the tree of ``size`` (RFC 6962 §2.1.1)."""
        if not 0 <= index < size:
            raise ValueError(f"leaf {index} is not in a tree of {size}")
        path, low, high = [], 0, size
        while high - low > 1:
            middle = low + _split(high - low)
            if index < middle:
                path.append(self._root(middle, high))
                high = middle
            else:
                path.append(self._root(low, middle))
                low = middle
        return path[::-1]

    def _root(self, low: int, high: int) -> bytes:
        size = high - low
        if size == TILE and low % TILE == 0 and (kept := self.tile(low // TILE)) is not None:
            return kept
        if size <= TILE:
            return root_of(self.leaves(low, high))
        middle = low + _split(size)
        return node(self._root(low, middle), self._root(middle, high))


def _split(size: int) -> int:
    """The largest power of two below ``size``."""
    return 1 << ((size - 1).bit_length() - 1)


def includes(data: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Is ``data`` leaf ``index`` of the tree of ``size`` with this root? (RFC 9162 §2.1.3.2)"""
    if not 0 <= index < size:
        return False
    here, last, reached = index, size - 1, leaf(data)
    for step in path:
        if last == 0:
            return False
        if here & 1 or here == last:
            reached = node(step, reached)
            while here and not here & 1:
                here, last = here >> 1, last >> 1
        else:
            reached = node(reached, step)
        here, last = here >> 1, last >> 1
    return last == 0 and reached == root
