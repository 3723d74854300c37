"""The tree against RFC 6962: its published example values, and every small tree by its own definition."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest

from loaner.audit.merkle import EMPTY, TILE, Frontier, Tree, includes, leaf, node, root_of

# The eight inputs and roots that Certificate Transparency implementations share as test vectors.
INPUTS = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def tree(size: int) -> Tree:
    data = [str(i).encode() for i in range(size)]
    return Tree(lambda low, high: data[low:high])


def by_definition(data: Sequence[bytes]) -> bytes:
    """RFC 6962 §2.1, written out."""
    if not data:
        return hashlib.sha256(b"").digest()
    if len(data) == 1:
        return leaf(data[0])
    k = 1
    while k * 2 < len(data):
        k *= 2
    return node(by_definition(data[:k]), by_definition(data[k:]))


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_the_ones_that_other_implementations_publish(size: int):
    assert root_of(INPUTS[:size]).hex() == ROOTS[size - 1]
    assert Tree(lambda low, high: INPUTS[low:high]).root(size).hex() == ROOTS[size - 1]


def test_the_empty_tree_has_the_hash_of_nothing():
    assert Frontier().root == EMPTY == tree(0).root(0)


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 513, 1000])
def test_roots_across_tiles_are_by_definition(size: int):
    data = [str(i).encode() for i in range(size)]
    kept = {n: root_of(data[n * TILE : (n + 1) * TILE]) for n in range(size // TILE)}
    assert Tree(lambda low, high: data[low:high], kept.get).root(size) == by_definition(data)
    assert Tree(lambda low, high: data[low:high]).root(size) == by_definition(data)


def test_every_leaf_of_every_small_tree_is_proven_and_no_other():
    for size in range(1, 20):
        whole, root = tree(size), tree(size).root(size)
        for index in range(size):
            path = whole.inclusion(index, size)
            assert includes(str(index).encode(), index, size, path, root)
            assert not includes(b"another", index, size, path, root)
            assert not includes(str(index).encode(), (index + 1) % size, size, path, root) or size == 1
            assert not includes(str(index).encode(), index, size, [*path, root], root)
            assert not path or not includes(str(index).encode(), index, size, path[:-1], root)


def test_a_proof_beyond_the_tree_is_refused():
    with pytest.raises(ValueError, match="not in a tree"):
        tree(3).inclusion(3, 3)
    assert not includes(b"3", 3, 3, [], EMPTY)
