"""What a history holds of one shard: its inputs by place, what it published by place on a lane, and what nothing but time caused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from motet.chassis import decided_by
from motet.chassis.codec import Codec
from motet.chassis.hop import MERGES
from motet.chassis.lanes import Stamp, stamp_of
from motet.chassis.message import Message
from motet.chassis.outbox import Row
from motet.chassis.service import Service
from motet.records import Command, Merged, Record

# Topic, partition, and number on the lane.
Place = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Said:
    """What a shard published: a place on a lane, the bytes there, and what stands beside them of how they were decided."""

    topic: str
    destination: int
    stamp: Stamp
    key: bytes
    value: bytes
    decided_by: str | None = None

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.topic, self.destination, self.stamp.number

    @staticmethod
    def of(row: Row) -> Said:
        """What a row of the outbox will be."""
        return Said(row.topic, row.destination, Stamp.unpack(row.lane), row.key, row.value, row.decided_by)


@dataclass
class ShardLog:
    """One shard's part of a history."""

    inputs: dict[tuple[str, int], Message] = field(default_factory=dict)
    published: dict[Place, Said] = field(default_factory=dict)
    merges: list[Merged] = field(default_factory=list)
    # By event id: a replay takes these from here, at the positions that they had.
    exogenous: dict[str, tuple[Said, Record]] = field(default_factory=dict)


def logs_of(messages: Iterable[Message], service: Service, codec: Codec, partitions: int) -> list[ShardLog]:
    """Every shard of a service. Repeats are the same bytes and count once."""
    logs = [ShardLog() for _ in range(partitions)]
    inputs = {one.topic for one in service.inputs}
    merged: dict[tuple[int, int], Merged] = {}
    for message in messages:
        if message.topic in inputs:
            logs[message.partition].inputs[message.topic, message.offset] = message
        stamp = stamp_of(message.headers)
        if stamp is None or stamp.service != service.name:
            continue
        beside = decided_by.found(message.headers)
        said = Said(message.topic, message.partition, stamp, message.key or b"", message.value or b"", beside)
        log = logs[stamp.shard]
        if said.place in log.published:
            continue
        log.published[said.place] = said
        if message.topic == MERGES or stamp.exogenous:
            record = codec.decode(message.value)
            if isinstance(record, Merged):
                merged[stamp.shard, stamp.number] = record
            elif stamp.exogenous and not isinstance(record, Command):
                log.exogenous[record.meta.event_id] = said, record
    for shard, number in sorted(merged):
        logs[shard].merges.append(merged[shard, number])
    return logs
