"""A shard fed once more with what it took, in the order that it wrote down, beside what it published then.

The inputs come from the topics by the ranges of `Merged`; rows of its own are in a schema of their own, empty at first. What nothing but a
clock caused, the timers, is taken from the log at the positions that it had. Everything else must come out again, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

import structlog

from motet.chassis import crashpoints, database, lanes, shard
from motet.chassis.codec import Codec
from motet.chassis.hop import Hop, Row, Tools
from motet.chassis.identity import derived_id
from motet.chassis.message import Message
from motet.chassis.registry import Registry
from motet.chassis.service import Opening, Service
from motet.chassis.settings import Settings
from motet.records import LeaseTimerFired, Merged, TimerFired
from world import World

Timer = TimerFired | LeaseTimerFired
TOPIC_OF = {TimerFired: "motet.timers", LeaseTimerFired: "motet.lease-timers"}


@dataclass(frozen=True, slots=True)
class Said:
    """What a service published: a place on a lane, and the bytes there."""

    topic: str
    destination: int
    stamp: bytes
    key: bytes
    value: bytes


@dataclass
class Log:
    """What the topics hold of one shard: its inputs by place, what it published by place on a lane, its timers by event id."""

    inputs: dict[tuple[str, int], Message] = field(default_factory=dict)
    published: dict[tuple[str, int, int], Said] = field(default_factory=dict)
    merges: list[Merged] = field(default_factory=list)
    timers: dict[str, Timer] = field(default_factory=dict)


def stamp_of(message: Message) -> bytes:
    """A message's lane header; empty at the door."""
    return next((value or b"" for name, value in message.headers if name == lanes.HEADER), b"")


def place_of(row: Row) -> tuple[str, int, int]:
    """Topic, partition and number of a row on its lane."""
    return row.topic, row.destination, lanes.Stamp.unpack(row.lane).number


def log_of(world: World, service: Service, codec: Codec, number: int, topics: set[str]) -> Log:
    """Reads everything of one shard; repeats are the same bytes and count once."""
    log = Log()
    inputs = {one.topic for one in service.inputs}
    merged: dict[int, Merged] = {}
    for topic in sorted(topics | inputs):
        for message in world.messages(topic):
            if topic in inputs and message.partition == number:
                log.inputs[topic, message.offset] = message
            packed = stamp_of(message)
            if not packed:
                continue
            stamp = lanes.Stamp.unpack(packed)
            if (stamp.service, stamp.shard) != (service.name, number):
                continue
            said = Said(topic, message.partition, packed, message.key or b"", message.value or b"")
            log.published.setdefault((topic, message.partition, stamp.number), said)
            record = codec.decode(message.value)
            if isinstance(record, Merged):
                merged[stamp.number] = record
            if isinstance(record, Timer):
                log.timers[record.meta.event_id] = record
    log.merges = [merged[place] for place in sorted(merged)]
    return log


class Rerun:
    """The shard, run again."""

    def __init__(self, settings: Settings, service: Service, number: int, partitions: int, log: Log) -> None:
        self.service, self.number, self.log = service, number, log
        self.schema = f"replayed_{service.schema}"
        self.registry = Registry(settings.schema_registry_url)
        self.codec = Codec(self.registry)
        database.migrate(settings.postgres_url, self.schema, service.migrations)
        self.connection = database.connect(settings.postgres_url, self.schema, "replay")
        told = structlog.get_logger()
        self.tools = Tools(service, partitions, self.codec, self.connection, crashpoints.nothing, told)
        self.shard = shard.claim(self.connection, number, tuple(one.topic for one in service.inputs))
        place = (service.name, number, partitions)
        opening = Opening(
            *place, self.connection, self.codec.decode, crashpoints.nothing, self.shard.epoch, settings.replica
        )
        self.handler = cast("Any", service.open(opening))
        # What is due is in the log, and no clock of today decides.
        self.handler.fire = partial(fire, log.timers, service.name, number)

    def rows(self) -> Iterator[Row]:
        """What it publishes, in order."""
        for merged in self.log.merges:
            yield from self.timers()
            yield from self.hop(
                [
                    self.log.inputs[one.topic, offset]
                    for one in merged.ranges
                    for offset in range(one.from_offset, one.to_offset)
                    if (one.topic, offset) in self.log.inputs
                ]
            )
        yield from self.timers()

    def timers(self) -> list[Row]:
        """A hop that only time caused, if the next position is a timer's."""
        due = derived_id(self.service.name, self.number, self.shard.next_position) in self.log.timers
        return self.hop([]) if due else []

    def hop(self, messages: list[Message]) -> list[Row]:
        """One hop, committed."""
        return Hop(self.tools, self.shard).run(messages, self.handler)

    def close(self) -> None:
        """Ends it."""
        self.connection.execute(f"DROP SCHEMA {self.schema} CASCADE".encode())
        self.connection.close()
        self.registry.close()


@contextmanager
def run_again(
    world: World, settings: Settings, service: Service, number: int, partitions: int, topics: set[str]
) -> Iterator[Rerun]:
    """One shard, run again beside its log, and every record the same or named; its rows are there until the block ends."""
    registry = Registry(settings.schema_registry_url)
    log = log_of(world, service, Codec(registry), number, topics)
    registry.close()
    rerun = Rerun(settings, service, number, partitions, log)
    try:
        said = {}
        for row in rerun.rows():
            place = place_of(row)
            said[place] = Said(row.topic, row.destination, row.lane, row.key, row.value)
            assert said[place] == log.published.get(place), f"{row.record_type} at {place} of shard {number} differs"
        assert said.keys() == log.published.keys()
        yield rerun
    finally:
        rerun.close()


def fire(timers: Mapping[str, Timer], service: str, number: int, hop: Hop) -> None:
    """Emits the timers that the log has at the positions that come now."""
    hop.exogenous = True
    while (fired := timers.get(derived_id(service, number, hop.position))) is not None:
        was = fired.meta
        again = (was.causation_id, was.recorded_at, was.tenant, was.domain, was.correlation_id, was.traceparent)
        hop.emit(TOPIC_OF[type(fired)], replace(fired, meta=hop.meta(*again)))
    hop.exogenous = False
