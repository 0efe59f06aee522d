"""Lanes: nothing is missing, nothing is twice with other bytes, and the chain of digests fits."""

from __future__ import annotations

from collections import deque
from typing import Final

from motet.audit.rule import Found, Rule
from motet.audit.stored import Stored
from motet.chassis.lanes import EXOGENOUS, PACKED, START, VERSION, chain

# So many digests of a lane are kept to compare repeats with: more than a service has on its way at a time.
KEPT: Final = 20_000
SHOWN: Final = 16


class Lane:
    """What is known of a lane: its last record, and digests of those before it."""

    __slots__ = ("digest", "digests", "last", "number", "suspects")

    def __init__(self) -> None:
        self.number = 0
        self.digest = START
        self.digests: deque[bytes] = deque(maxlen=KEPT)
        self.last: Stored | None = None
        # A digest does not fit: two records of which one was changed, and what the chain is if it is the second one's header.
        self.suspects: tuple[Stored, Stored, bytes] | None = None


class Lanes(Rule):
    """Each lane has the numbers 1, 2, 3 … in order; a number that comes again has the same bytes."""

    name = "lanes"
    advice = (
        "compare with a copy of the topic, or with signed checkpoints; every reader stops here (ARCHITECTURE.md, Lanes)"
    )

    def __init__(self, found: Found) -> None:
        super().__init__(found)
        self.chain = Chain(found)
        # Topics whose beginning was deleted: their lanes begin where they are found.
        self.truncated: frozenset[str] = frozenset()
        self.lanes: dict[tuple[str, bytes, int], Lane] = {}
        self.names: dict[bytes, str] = {}
        self.repeats = 0
        self.not_compared = 0

    def take(self, record: Stored, header: bytes | None) -> bool:
        """Whether a record is the next of its lane; what is not is a repeat, or no record of ours."""
        self.checked += 1
        if header is None or len(header) <= PACKED.size or header[0] != VERSION:
            self.wrong(record, f"only Motet's services write to {record.topic}, and this record is on no lane")
            return False
        _, flags, shard, number, previous = PACKED.unpack_from(header)
        service = header[PACKED.size :]
        name = self.names.get(service)
        if name is None:
            name = self.names[service] = service.decode(errors="replace")
        record.service, record.shard, record.number = name, shard, number
        record.exogenous = bool(flags & EXOGENOUS)
        lane = self.lanes.get((record.topic, service, shard))
        if lane is None:
            lane = self.lanes[record.topic, service, shard] = Lane()
            if record.topic in self.truncated:
                lane.number, lane.digest = number - 1, previous
        if number <= lane.number:
            self.repeat(lane, record, previous)
            return False
        if number != lane.number + 1:
            due = lane.number + 1
            self.wrong(
                record,
                f"lane {name}/{shard}: number {due} is due and {number} came: {number - due} records are missing",
            )
            self.chain.settle(lane, previous)
            lane.digest, lane.last = previous, None
            lane.digests.clear()
        elif lane.suspects is not None or previous != lane.digest:
            self.chain.differs(lane, record, previous)
        self.chain.checked += 1
        lane.number, lane.last = number, record
        lane.digest = chain(lane.digest, number, record.key, record.value)
        lane.digests.append(lane.digest)
        return True

    def repeat(self, lane: Lane, record: Stored, previous: bytes) -> None:
        """A number that was there before: at-least-once, if it has the same bytes."""
        self.repeats += 1
        back = lane.number - record.number
        if back >= len(lane.digests):
            self.not_compared += 1
            return
        before = lane.digests[-1 - back]
        again = chain(previous, record.number, record.key, record.value)
        if again != before:
            lane_name = f"{record.service}/{record.shard}"
            self.wrong(
                record,
                f"lane {lane_name}: number {record.number} is there twice with other bytes: its digest was {before.hex()[:SHOWN]}…, "
                f"and here it is {again.hex()[:SHOWN]}…",
            )

    def end(self) -> None:
        """What a last record said of the one before is settled."""
        for lane in self.lanes.values():
            self.chain.settle(lane, None)


class Chain(Rule):
    """Each record of a lane carries the digest of the one before it."""

    name = "hash chain"
    advice = "this record is not what was published: compare with a copy of the topic, or with signed checkpoints"

    def differs(self, lane: Lane, record: Stored, previous: bytes) -> None:
        """Something does not fit: was the record before changed, or this one's header? The next one tells."""
        self.settle(lane, previous)
        if previous == lane.digest:
            return
        if lane.last is None:
            begins = f"lane {record.service}/{record.shard} begins with the digest {previous.hex()[:SHOWN]}…"
            self.wrong(record, f"{begins}, and the first record of a lane has zeros there")
        else:
            lane.suspects = lane.last, record, chain(lane.digest, record.number, record.key, record.value)
        lane.digest = previous

    def settle(self, lane: Lane, previous: bytes | None) -> None:
        """Names the one of two records that was changed, by what the next one carries."""
        if lane.suspects is None:
            return
        (before, record, as_forged), lane.suspects = lane.suspects, None
        place = f"of lane {record.service}/{record.shard}"
        if previous == as_forged:
            self.wrong(
                record, f"the header of number {record.number} {place} does not carry the digest of the one before"
            )
            lane.digest = as_forged
        else:
            self.wrong(
                before, f"number {before.number} {place} has another digest than number {record.number} carries of it"
            )
