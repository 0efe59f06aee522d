"""Lanes: what one shard of one service sends to one partition, numbered 1, 2, 3 … and chained by SHA-256.

It is TCP's idea: the receiver takes exactly the next number, drops repeats, and stops loudly at a gap or at a wrong digest. One row
a lane replaces an inbox row a message, and the chain is the audit's evidence. Everything is in one packed header, because headers
cost time by the piece.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from typing import Final, Literal

from motet.chassis.errors import LaneBroken
from motet.records.record import record

HEADER: Final = "motet-lane"
VERSION: Final = 1
EXOGENOUS: Final = 1
START: Final = bytes(32)
# version, flags, shard, number, digest of the record before; the service's name follows.
PACKED: Final = struct.Struct(">BBIQ32s")
NUMBER_AND_KEY_LENGTH: Final = struct.Struct(">QI")


@record
class Stamp:
    """A record's place on its lane, as its header says."""

    service: str
    shard: int
    number: int
    previous: bytes
    exogenous: bool

    def pack(self) -> bytes:
        """The header's value."""
        flags = EXOGENOUS if self.exogenous else 0
        return PACKED.pack(VERSION, flags, self.shard, self.number, self.previous) + self.service.encode()

    @staticmethod
    def unpack(header: bytes) -> Stamp:
        """Reads a header's value; ValueError if it is none."""
        if len(header) <= PACKED.size or header[0] != VERSION:
            raise ValueError(
                f"a {HEADER} header has version {VERSION} and more than {PACKED.size} bytes, not {len(header)}"
            )
        _, flags, shard, number, previous = PACKED.unpack_from(header)
        return Stamp(header[PACKED.size :].decode(), shard, number, previous, bool(flags & EXOGENOUS))


def packed(headers: Iterable[tuple[str, bytes | None]]) -> bytes | None:
    """The lane header among a record's headers; None for a record that has none, as at the door."""
    for name, value in headers:
        if name == HEADER:
            return value
    return None


def stamp_of(headers: Iterable[tuple[str, bytes | None]]) -> Stamp | None:
    """A record's place on its lane; None at the door, and for what somebody else wrote."""
    try:
        return Stamp.unpack(packed(headers) or b"")
    except ValueError:
        return None


@record
class Place:
    """The last record of a lane: its number and its digest."""

    number: int = 0
    digest: bytes = START


# Where every lane begins.
BEFORE: Final = Place()


def chain(previous: bytes, number: int, key: bytes, value: bytes) -> bytes:
    """The digest of a record: SHA-256 over the digest before it, its number, its key and its value."""
    return hashlib.sha256(previous + NUMBER_AND_KEY_LENGTH.pack(number, len(key)) + key + value).digest()


def follow(place: Place, key: bytes, value: bytes) -> Place:
    """The place after one more record."""
    number = place.number + 1
    return Place(number, chain(place.digest, number, key, value))


def receive(place: Place, stamp: Stamp, key: bytes, value: bytes, where: str) -> Place | Literal["repeat"]:
    """The place after a received record, or "repeat" for one that was taken before.

    Raises LaneBroken at a gap or where the chain does not fit.
    """
    if stamp.number <= place.number:
        return "repeat"
    lane = f"lane {stamp.service}/{stamp.shard} at {where}"
    if stamp.number != place.number + 1:
        raise LaneBroken(
            f"{lane}: number {place.number + 1} is due and {stamp.number} came; records between them are missing"
        )
    if stamp.previous != place.digest:
        raise LaneBroken(
            f"{lane}: record {stamp.number} says that the digest before it is {stamp.previous.hex()[:16]}…, "
            f"and it is {place.digest.hex()[:16]}…: the history was changed or another writer is on this lane"
        )
    return follow(place, key, value)
