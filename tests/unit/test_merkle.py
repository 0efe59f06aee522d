"""Merkle trees and their proofs, against RFC 9162's own words and the vectors of certificate transparency."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.proofs.merkle import EMPTY, Tree, fold, leaf_hash, node_hash, whole_nodes
from motet.proofs.paths import (
    consistency_ranges,
    hashes_of,
    inclusion_ranges,
    is_beginning,
    is_included,
    nodes_of,
)

# The reference leaves of certificate transparency (RFC 6962), and the roots of their first n.
LEAVES: Final = tuple(
    bytes.fromhex(data)
    for data in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
)
ROOTS: Final = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
SIZES: Final = st.integers(1, 70)


def hashes(count: int) -> list[bytes]:
    """Leaves of a tree, each another."""
    return [leaf_hash(number.to_bytes(8, "big")) for number in range(count)]


def root_of(leaves: list[bytes]) -> bytes:
    """The root as section 2.1.1 defines it: split at the largest power of two, and again."""
    if not leaves:
        return EMPTY
    if len(leaves) == 1:
        return leaves[0]
    middle = 1
    while middle * 2 < len(leaves):
        middle *= 2
    return node_hash(root_of(leaves[:middle]), root_of(leaves[middle:]))


def grown(leaves: list[bytes]) -> Tree:
    """A tree of leaves."""
    tree = Tree()
    for leaf in leaves:
        tree.append(leaf)
    return tree


def inclusion(leaves: list[bytes], index: int) -> list[bytes]:
    """A leaf's proof, made while the leaves go by once."""
    ranges = inclusion_ranges(index, len(leaves))
    tree = grown(leaves[:index])
    tree.want(nodes_of(ranges))
    for leaf in leaves[index:]:
        tree.append(leaf)
    return hashes_of(ranges, tree.found)


def consistency(leaves: list[bytes], old: int) -> list[bytes]:
    """The proof that the first leaves are the beginning of all."""
    ranges = consistency_ranges(old, len(leaves))
    tree = Tree()
    tree.want(nodes_of(ranges))
    for leaf in leaves:
        tree.append(leaf)
    return hashes_of(ranges, tree.found)


def test_the_roots_are_those_of_certificate_transparency() -> None:
    """Every size from none to eight."""
    for size, root in enumerate(ROOTS):
        assert grown([leaf_hash(data) for data in LEAVES[:size]]).root.hex() == root


def test_the_proofs_are_those_of_certificate_transparency() -> None:
    """Its published audit paths and consistency proofs."""
    leaves = [leaf_hash(data) for data in LEAVES]
    assert [one.hex()[:8] for one in inclusion(leaves, 0)] == ["96a296d2", "5f083f0a", "6b47aaf2"]
    assert [one.hex()[:8] for one in inclusion(leaves, 5)] == ["bc1a0643", "ca854ea1", "d37ee418"]
    assert [one.hex()[:8] for one in inclusion(leaves[:3], 2)] == ["fac54203"]
    assert [one.hex()[:8] for one in inclusion(leaves[:5], 1)] == ["6e340b9c", "5f083f0a", "bc1a0643"]
    assert [one.hex()[:8] for one in consistency(leaves, 1)] == ["96a296d2", "5f083f0a", "6b47aaf2"]
    assert [one.hex()[:8] for one in consistency(leaves, 6)] == ["0ebc5d34", "ca854ea1", "d37ee418"]
    assert [one.hex()[:8] for one in consistency(leaves[:5], 2)] == ["5f083f0a", "bc1a0643"]


def test_the_paths_are_those_of_the_rfc() -> None:
    """The example of section 2.1.5, a tree of seven leaves, whose nodes it calls by letters."""
    names = {(at, at + 1): name for at, name in enumerate("abcdef")} | {(6, 7): "j"}
    names |= {(0, 2): "g", (2, 4): "h", (4, 6): "i", (0, 4): "k", (4, 7): "l"}
    letters = {index: "".join(names[one] for one in inclusion_ranges(index, 7)) for index in (0, 3, 4, 6)}
    assert letters == {0: "bhl", 3: "cgl", 4: "fjk", 6: "ik"}
    starts = {old: "".join(names[one] for one in consistency_ranges(old, 7)) for old in (3, 4, 6)}
    assert starts == {3: "cdgl", 4: "l", 6: "ijk"}


@given(st.integers(0, 200))
def test_a_tree_that_grows_has_the_root_of_its_leaves(size: int) -> None:
    """And keeps one hash for each bit of its size, whatever is taken up again from these."""
    leaves = hashes(size)
    tree = grown(leaves)
    assert tree.root == root_of(leaves) == fold(tree.frontier)
    assert len(tree.frontier) == size.bit_count()
    again = Tree(size, list(tree.frontier))
    again.append(leaf_hash(b"more"))
    assert again.root == root_of([*leaves, leaf_hash(b"more")])


@given(SIZES, st.data())
def test_every_leaf_has_a_proof_and_nothing_else_has(size: int, data: st.DataObject) -> None:
    """Another leaf, place, size, root, or a proof with a hash changed, left out, added or moved, is refused."""
    index = data.draw(st.integers(0, size - 1))
    leaves = hashes(size)
    proof, root, leaf = inclusion(leaves, index), root_of(leaves), leaves[index]
    assert is_included(leaf, index, size, proof, root)
    assert not is_included(leaf_hash(b"other"), index, size, proof, root)
    assert not any(is_included(leaf, other, size, proof, root) for other in range(-1, size + 2) if other != index)
    assert not is_included(leaf, index, size, proof, leaf_hash(root))
    assert not is_included(leaf, index, size, [*proof, root], root)
    assert not is_included(leaf, size, size, proof, root)
    for at in range(len(proof)):
        assert not is_included(leaf, index, size, proof[:at] + proof[at + 1 :], root)
        assert not is_included(leaf, index, size, [*proof[:at], leaf_hash(proof[at]), *proof[at + 1 :]], root)
    for at, (one, other) in enumerate(pairwise(proof)):
        assert not is_included(leaf, index, size, [*proof[:at], other, one, *proof[at + 2 :]], root)


@given(SIZES, st.data())
def test_every_tree_is_the_beginning_of_what_it_grows_to(size: int, data: st.DataObject) -> None:
    """For every m up to n; with other roots, other sizes or another proof it is not."""
    leaves = hashes(size)
    root = root_of(leaves)
    for old in range(size + 1):
        proof = consistency(leaves, old)
        assert is_beginning(old, size, proof, root_of(leaves[:old]), root)
        assert not is_beginning(old, size, proof, leaf_hash(b"other"), root)
        if old:
            assert not is_beginning(old, size, proof, root_of(leaves[:old]), leaf_hash(b"other"))
            assert not is_beginning(old, size, [*proof, root], root_of(leaves[:old]), root)
    old = data.draw(st.integers(1, size))
    proof, begun = consistency(leaves, old), root_of(leaves[:old])
    for at in range(len(proof)):
        assert not is_beginning(old, size, proof[:at] + proof[at + 1 :], begun, root)
        assert not is_beginning(old, size, [*proof[:at], leaf_hash(proof[at]), *proof[at + 1 :]], begun, root)
    assert not is_beginning(size + 1, size, proof, begun, root)
    # No two sizes have one root.
    assert not any(is_beginning(size, more, [], root, root) for more in range(size + 1, 2 * size + 2))


@given(st.integers(2, 70), st.data())
def test_a_tree_in_which_a_leaf_was_changed_has_no_such_beginning(size: int, data: st.DataObject) -> None:
    """History that was rewritten and went on: no honest proof fits the old root."""
    leaves = hashes(size)
    old = data.draw(st.integers(1, size - 1))
    changed = data.draw(st.integers(0, old - 1))
    other = [*leaves[:changed], leaf_hash(b"changed"), *leaves[changed + 1 :]]
    assert not is_beginning(old, size, consistency(other, old), root_of(leaves[:old]), root_of(other))


def test_nodes_are_no_leaves() -> None:
    """Two hashes as a leaf's data have another hash than as a node: no tree passes for another of half its size."""
    one, other = hashes(2)
    assert leaf_hash(one + other) != node_hash(one, other)
    assert list(whole_nodes(0, 7)) == [(2, 0), (1, 2), (0, 6)]


def test_what_cannot_be_is_refused() -> None:
    """Leaves and beginnings that are not there, trees with roots too many, and nodes that are gone."""
    with pytest.raises(ValueError, match="has no leaf 3"):
        inclusion_ranges(3, 3)
    with pytest.raises(ValueError, match="no beginning"):
        consistency_ranges(4, 3)
    with pytest.raises(ValueError, match="has 2 roots, not 1"):
        Tree(3, hashes(1))
    with pytest.raises(ValueError, match="became whole before"):
        grown(hashes(4)).want([(0, 1)])
