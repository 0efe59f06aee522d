"""Merkle trees as RFC 9162, section 2.1, has them: SHA-256, leaves and nodes told apart by their first byte.

A tree only grows. It is kept as the roots of its whole subtrees, the largest first, so that a tree of n leaves takes at most log2(n) hashes
of memory. A node is named by its level and its number there: node (0, 5) is the sixth leaf, (3, 1) the root of leaves 8 to 15.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

HASH_BYTES: Final = 32
LEAF: Final = b"\x00"
NODE: Final = b"\x01"
# The root of no leaves.
EMPTY: Final = hashlib.sha256().digest()

Node = tuple[int, int]


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf's data."""
    return hashlib.sha256(LEAF + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees."""
    return hashlib.sha256(NODE + left + right).digest()


def fold(roots: Sequence[bytes]) -> bytes:
    """The root over the whole subtrees of a range, the largest first."""
    if not roots:
        return EMPTY
    root = roots[-1]
    for left in reversed(roots[:-1]):
        root = node_hash(left, root)
    return root


def whole_nodes(start: int, end: int) -> Iterator[Node]:
    """The nodes whose leaves are `start` to `end`, without `end`, the largest first.

    The range begins where a subtree of its size does, as every range of a path does.
    """
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


@dataclass(slots=True)
class Tree:
    """A tree that grows. `frontier` has the roots of its whole subtrees, one for each bit that is set in `size`."""

    size: int = 0
    frontier: list[bytes] = field(default_factory=list)
    # Nodes that somebody waits for, and their hashes once they are whole.
    wanted: set[Node] = field(default_factory=set)
    found: dict[Node, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.frontier) != self.size.bit_count():
            raise ValueError(
                f"a tree of {self.size} leaves has {self.size.bit_count()} roots, not {len(self.frontier)}"
            )

    @property
    def root(self) -> bytes:
        """The hash of everything in it."""
        return fold(self.frontier)

    def append(self, leaf: bytes) -> None:
        """One more leaf, by its hash."""
        level, number, frontier, wanted = 0, self.size, self.frontier, self.wanted
        if wanted and (0, number) in wanted:
            self.found[0, number] = leaf
        while number & 1:
            leaf = hashlib.sha256(NODE + frontier.pop() + leaf).digest()
            level, number = level + 1, number >> 1
            if wanted and (level, number) in wanted:
                self.found[level, number] = leaf
        frontier.append(leaf)
        self.size += 1

    def want(self, nodes: Iterable[Node]) -> None:
        """Keeps nodes as they become whole; of what is whole already only the frontier's are still there. Raises ValueError for others."""
        whole = dict(zip(whole_nodes(0, self.size), self.frontier, strict=True))
        for node in nodes:
            level, number = node
            if node in whole:
                self.found[node] = whole[node]
            elif (number + 1) << level <= self.size and node not in self.found:
                raise ValueError(f"node {node} became whole before anybody wanted it")
            self.wanted.add(node)
