"""How far a shard is that writes no journal: from what it published and from what its group committed.

A tool service runs other people's code, and a projector writes tables: neither is run again. Everything that their hop's rows say is in the
log all the same. A dead process may have left positions of which nothing reached Kafka; what they were is lost with its database, and they
are passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

import psycopg

from motet.chassis import clock, decided_by, lanes, outbox, repairs
from motet.chassis.codec import Codec
from motet.chassis.errors import Undecodable
from motet.chassis.identity import derived_id
from motet.chassis.lag import taken_by
from motet.chassis.message import Message
from motet.chassis.outbox import Row
from motet.chassis.repairs import UNORDERED
from motet.chassis.service import Service
from motet.chassis.text import printable
from motet.conformance.recovery import EPOCH
from motet.conformance.rerun import Rerun
from motet.conformance.shard_log import Said, ShardLog
from motet.records import Command, DeadLetter, DeadLetterRepaired, Record

# So many positions in a row may have been lost with a process: more than it may have on its way.
LOST: Final = 100_000


@dataclass
class Frontier:
    """One shard, as its rows are to say."""

    shard: int
    next_position: int = 0
    hlc: int = 0
    offsets: dict[str, int] = field(default_factory=dict)
    lanes_in: dict[tuple[str, str, int], lanes.Place] = field(default_factory=dict)
    lanes_out: dict[tuple[str, int], lanes.Place] = field(default_factory=dict)
    published: dict[int, tuple[Said, Record]] = field(default_factory=dict)
    letters: dict[str, DeadLetter] = field(default_factory=dict)
    parked: list[Message] = field(default_factory=list)


def frontier_of(service: Service, shard: int, log: ShardLog, codec: Codec, offsets: dict[str, int]) -> Frontier:
    """The frontier of a shard whose inputs were taken up to some offsets."""
    found = Frontier(shard, offsets=offsets)
    by_id: dict[str, tuple[Said, Record]] = {}
    for said in sorted(log.published.values(), key=lambda one: one.place):
        record = codec.decode(said.value)
        if isinstance(record, Command):
            continue
        by_id[record.meta.event_id] = said, record
        found.hlc = max(found.hlc, record.meta.hlc)
        lane = said.topic, said.destination
        found.lanes_out[lane] = lanes.follow(found.lanes_out.get(lane, lanes.BEFORE), said.key, said.value)
        if isinstance(record, DeadLetter):
            found.letters[record.meta.event_id] = record
        elif isinstance(record, DeadLetterRepaired) and record.outcome in ("REDRIVEN", "DISCARDED"):
            found.letters.pop(record.dead_letter_id, None)
    at = 0
    while by_id and at <= found.next_position + LOST:
        here = by_id.pop(derived_id(service.name, shard, at), None)
        at += 1
        if here is not None:
            found.published[at - 1], found.next_position = here, at
    unordered = UNORDERED | {one.topic for one in service.inputs if not one.ordered}
    take(found, log, codec, unordered)
    return found


def take(found: Frontier, log: ShardLog, codec: Codec, unordered: frozenset[str]) -> None:
    """What the shard heard: lanes, the clock, and what waits behind a dead letter."""
    waits = {(one.topic, one.offset): one.key for one in found.letters.values() if one.parked}
    parked: set[bytes | None] = set()
    for (topic, offset), message in sorted(log.inputs.items()):
        if offset >= found.offsets[topic]:
            continue
        stamp = lanes.stamp_of(message.headers)
        if stamp is None:
            continue
        lane = topic, stamp.service, stamp.shard
        place = found.lanes_in.get(lane, lanes.BEFORE)
        after = lanes.receive(place, stamp, message.key or b"", message.value or b"", message.where)
        if after == "repeat":
            continue
        found.lanes_in[lane] = after
        if message.key in parked and topic not in unordered:
            found.parked.append(message)
        if (topic, offset) in waits:
            parked.add(message.key)
        try:
            record = codec.decode(message.value)
        except Undecodable:
            continue
        if not isinstance(record, Command):
            found.hlc = clock.receive(found.hlc, record.meta.hlc, message.timestamp_ms)


def write_all(rerun: Rerun) -> None:
    """Writes the hop's rows of every shard, up to where its group was."""
    service, history = rerun.service, rerun.history
    committed = taken_by(rerun.settings.kafka_bootstrap, service.name)
    for number, log in enumerate(rerun.logs):
        offsets = {one.topic: committed.get((one.topic, number), 0) for one in service.inputs}
        found = frontier_of(service, number, log, rerun.codec, offsets)
        write(rerun.connection, found, history.covered_of(service.name, number))


def write(connection: psycopg.Connection[Any], found: Frontier, covered: int) -> None:
    """Writes the hop's rows of a shard, in a schema that is new."""
    shard = found.shard
    connection.execute(
        f"INSERT INTO shard (partition, next_position, hlc, epoch) VALUES (%s, %s, %s, {EPOCH})".encode(),
        (shard, found.next_position, found.hlc),
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO shard_offset (partition, topic, next_offset) VALUES (%s, %s, %s)",
            [(shard, *one) for one in found.offsets.items()],
        )
        cursor.executemany(
            "INSERT INTO lane_in (partition, topic, service, shard, number, digest) VALUES (%s, %s, %s, %s, %s, %s)",
            [(shard, *lane, place.number, place.digest) for lane, place in found.lanes_in.items()],
        )
        cursor.executemany(
            "INSERT INTO lane_out (partition, topic, destination, number, digest) VALUES (%s, %s, %s, %s, %s)",
            [(shard, *lane, place.number, place.digest) for lane, place in found.lanes_out.items()],
        )
        cursor.executemany(
            repairs.KEEP_LETTER,
            [
                (
                    *(shard, event_id, one.topic, one.offset, one.key, one.value),
                    *(one.appended_at, one.code, one.parked),
                    decided_by.found((header.name, header.value) for header in one.headers),
                )
                for event_id, one in found.letters.items()
            ],
        )
        cursor.executemany(
            "INSERT INTO parked_key (partition, key, reason) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            [(shard, one.key, printable(one.reason)) for one in found.letters.values() if one.parked],
        )
        cursor.executemany(repairs.KEEP_PARKED, [repairs.parked_row(shard, one) for one in found.parked])
    outbox.copy(connection, shard, uncovered(found, covered))


def uncovered(found: Frontier, covered: int) -> list[Row]:
    """The outbox from the position that the group committed on. A position of which nothing is left repeats the one behind it."""
    rows: list[Row] = []
    for position in range(found.next_position - 1, covered - 1, -1):
        here = found.published.get(position)
        if here is None:
            rows.append(replace(rows[-1], position=position))
            continue
        said, record = here
        meta: Any = getattr(record, "meta", None)
        place = (position, meta.event_id, said.topic, said.destination)
        beside = (said.stamp.pack(), meta.traceparent, said.decided_by)
        rows.append(Row(*place, said.key, said.value, record.FULL_NAME, *beside))
    return rows
