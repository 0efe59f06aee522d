"""What a record is in a tree: one partition of one topic has one tree, and every record in it one leaf, in the order of the offsets.

A leaf's data is the record's offset, the time that the broker gave it, and the digest of its content: key, value and headers, the lane's
among them. Offsets that hold nothing for a reader (markers of transactions, what was aborted) have no leaf; they are in no tree because nobody
can read them, and a record that appears there later is found, since every leaf has its offset.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from motet.chassis.message import Message
from motet.proofs.merkle import leaf_hash

PACKED: Final = struct.Struct(">qq32s")
NUMBER: Final = struct.Struct(">I")
LENGTH: Final = struct.Struct(">i")
# A length that no bytes have: null is not empty.
NULL: Final = LENGTH.pack(-1)

Headers = Iterable[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Entry:
    """A record's leaf: where it stood, when it came, and what it said."""

    offset: int
    timestamp_ms: int
    content: bytes

    @staticmethod
    def of(message: Message) -> Entry:
        """The entry of a message."""
        content = content_digest(message.topic, message.partition, message.key, message.value, message.headers)
        return Entry(message.offset, message.timestamp_ms, content)

    def pack(self) -> bytes:
        """The leaf's data: 48 bytes."""
        return PACKED.pack(self.offset, self.timestamp_ms, self.content)

    @property
    def leaf(self) -> bytes:
        """The leaf's hash."""
        return leaf_hash(self.pack())


def content_digest(topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers) -> bytes:
    """SHA-256 of a record's content and of the partition that it is in, each part with its length before it."""
    parts = [sized(topic.encode()), NUMBER.pack(partition), sized(key), sized(value)]
    for name, content in headers:
        parts += [sized(name.encode()), sized(content)]
    return hashlib.sha256(b"".join(parts)).digest()


def sized(data: bytes | None) -> bytes:
    """Bytes with their length before them."""
    return NULL if data is None else LENGTH.pack(len(data)) + data


def unpack(data: bytes) -> Iterator[Entry]:
    """Entries packed one behind the other. Raises ValueError if the last one is not whole."""
    if len(data) % PACKED.size:
        raise ValueError(f"entries have {PACKED.size} bytes each, and there are {len(data)}")
    for fields in PACKED.iter_unpack(data):
        yield Entry(*fields)
