"""What is kept beside a checkpoint: the entries that it added to each tree, and the roots with which the tree goes on.

Nobody needs to trust it. The entries must come to the signed root, and so must the roots; whoever changes either can only be found out.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from motet.proofs.checkpoint import Place
from motet.proofs.entry import PACKED, Entry, unpack
from motet.proofs.merkle import HASH_BYTES

TITLE: Final = b"motet leaves 1\n"
# The topic's length, the partition, how many roots, how many entries.
BLOCK: Final = struct.Struct(">HIHI")


class NoLeaves(ValueError):
    """These bytes are no leaves; the message says why."""


@dataclass(frozen=True, slots=True)
class Grown:
    """One tree: its whole subtrees' roots afterwards, and what was added."""

    frontier: tuple[bytes, ...]
    added: tuple[Entry, ...]


def pack(trees: Mapping[Place, Grown]) -> bytes:
    """The bytes of a file."""
    out = [TITLE]
    for (topic, partition), tree in sorted(trees.items()):
        name = topic.encode()
        out += [BLOCK.pack(len(name), partition, len(tree.frontier), len(tree.added)), name, *tree.frontier]
        out += [entry.pack() for entry in tree.added]
    return b"".join(out)


def read(data: bytes) -> dict[Place, Grown]:
    """What such bytes say. Raises NoLeaves."""
    if not data.startswith(TITLE):
        raise NoLeaves(f"leaves begin with {TITLE!r}, not {data[: len(TITLE)]!r}")
    out: dict[Place, Grown] = {}
    at = len(TITLE)
    try:
        while at < len(data):
            length, partition, roots, entries = BLOCK.unpack_from(data, at)
            at += BLOCK.size
            topic = data[at : at + length].decode()
            at += length
            frontier = tuple(data[at + one : at + one + HASH_BYTES] for one in range(0, roots * HASH_BYTES, HASH_BYTES))
            at += roots * HASH_BYTES
            added = tuple(unpack(data[at : at + entries * PACKED.size]))
            at += entries * PACKED.size
            out[topic, partition] = Grown(frontier, added)
    except (struct.error, ValueError) as error:
        raise NoLeaves(f"leaves are broken at byte {at}: {error}") from error
    if at != len(data):
        raise NoLeaves(f"leaves end at byte {len(data)}, within a tree")
    return out
