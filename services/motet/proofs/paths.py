"""Proofs in a tree: that a leaf is in it, and that it is the beginning of a larger one (RFC 9162, sections 2.1.3 and 2.1.4).

A proof is a list of hashes, each of a range of leaves. Which ranges follows from the numbers alone, so whoever makes a proof knows beforehand
which nodes to keep while the leaves go by, and reads them once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from motet.proofs.merkle import EMPTY, Node, fold, node_hash, whole_nodes

Range = tuple[int, int]


def split(size: int) -> int:
    """The largest power of two below a size: where its tree divides."""
    return 1 << ((size - 1).bit_length() - 1)


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """What stands beside the way from a leaf to the root, from below. Raises ValueError if there is no such leaf."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    beside: list[Range] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + split(end - start)
        if index < middle:
            beside.append((middle, end))
            end = middle
        else:
            beside.append((start, middle))
            start = middle
    return beside[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """What shows that the tree of the first `old` leaves is the beginning of that of `new`. Raises ValueError if it cannot be."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {old} leaves is no beginning of one of {new}")
    if old in (0, new):
        return []
    beside: list[Range] = []
    start, end, whole = 0, new, True
    while old != end:
        middle = start + split(end - start)
        if old <= middle:
            beside.append((middle, end))
            end = middle
        else:
            beside.append((start, middle))
            start, whole = middle, False
    return ([] if whole else [(start, end)]) + beside[::-1]


def nodes_of(ranges: Sequence[Range]) -> Iterator[Node]:
    """The whole subtrees that ranges consist of."""
    for start, end in ranges:
        yield from whole_nodes(start, end)


def hashes_of(ranges: Sequence[Range], found: Mapping[Node, bytes]) -> list[bytes]:
    """A proof's hashes, from the nodes that were kept."""
    return [fold([found[node] for node in whole_nodes(start, end)]) for start, end in ranges]


def root_by_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """The root that a leaf's proof leads to; None if it is no proof for that place (section 2.1.3.2)."""
    if not 0 <= index < size:
        return None
    number, last, root = index, size - 1, leaf
    for beside in proof:
        if last == 0:
            return None
        if number & 1 or number == last:
            root = node_hash(beside, root)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            root = node_hash(root, beside)
        number, last = number >> 1, last >> 1
    return root if last == 0 else None


def is_included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether a leaf stands at that place of the tree with that root."""
    return root_by_inclusion(leaf, index, size, proof) == root


def is_beginning(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether a tree is the beginning of a larger one (section 2.1.4.2). No leaves are the beginning of everything."""
    if not 0 <= old <= new:
        return False
    if old in (0, new):
        return not proof and old_root == (EMPTY if old == 0 else new_root)
    hashes = list(proof)
    if old & (old - 1) == 0:
        hashes.insert(0, old_root)
    if not hashes:
        return False
    number, last = old - 1, new - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    first = second = hashes[0]
    for beside in hashes[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            first, second = node_hash(beside, first), node_hash(beside, second)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            second = node_hash(second, beside)
        number, last = number >> 1, last >> 1
    return first == old_root and second == new_root and last == 0
