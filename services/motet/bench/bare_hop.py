"""The yardstick: one process that takes records, decides nothing, and publishes one fact for each, through the chassis as it is.

Other figures are to be read as ratios to this one, because machines and moments differ.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from confluent_kafka import Producer

from motet.chassis import lanes, provision
from motet.chassis.codec import Codec
from motet.chassis.hop import MERGES, Hop
from motet.chassis.identity import domain_key, partition_of
from motet.chassis.kafka_login import reaching
from motet.chassis.loop import Loop
from motet.chassis.registry import Registry
from motet.chassis.service import Inert, Input, Opening, Received, Service
from motet.chassis.settings import Settings
from motet.records import Invocation, InvokeCalls, Merged, Meta

SERVICE: Final = "bench-hop"
TOPIC: Final = "motet.invocations.bench-hop"
FEEDER: Final = "bench-feeder"
DOMAINS: Final = 64


class Echo(Inert):
    """One fact for each record."""

    def __init__(self, opening: Opening) -> None:
        self.shard = opening.partition

    def handle(self, batch: Sequence[Received], hop: Hop) -> None:
        """Emits to a topic that nobody reads here."""
        key = f"{SERVICE}/{self.shard}".encode()
        for received in batch:
            meta = hop.meta(received.cause, received.timestamp_ms, "bench", "hop", received.cause, None)
            hop.emit(MERGES, Merged(meta, SERVICE, self.shard, ()), key, self.shard)


def records_per_second(settings: Settings, records: int, feeder: str = FEEDER) -> float:
    """Feeds records and takes them; returns records a second, from the first one taken to the last one acknowledged.

    Measured once more on the same servers it needs a `feeder` of another name: what one feeds twice are repeats.
    """
    service = Service(
        name=SERVICE, inputs=(Input(TOPIC),), outputs=(MERGES, "motet.dead-letters"), open=Echo, schema="bench_hop"
    )
    loop = Loop(service, settings)
    while not loop.tenures:
        loop.step()
    feed(settings, records, feeder)
    began, due = time.perf_counter(), records + taken(loop)
    while taken(loop) < due:
        loop.step()
    loop.publisher.drain(time.monotonic() + 60.0)
    seconds = time.perf_counter() - began
    loop.finish()
    return records / seconds


def taken(loop: Loop) -> int:
    """How many records its shards have taken: each has published one fact for each."""
    return sum(tenure.shard.next_position for tenure in loop.tenures.values())


def feed(settings: Settings, records: int, feeder: str) -> None:
    """Puts records onto the topic, on lanes as a service would."""
    registry = Registry(settings.schema_registry_url)
    partitions = provision.ensure(settings.kafka_bootstrap, registry, (TOPIC,))
    codec = Codec(registry)
    producer = Producer(
        {
            **reaching(settings.kafka_bootstrap),
            "enable.idempotence": True,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    arguments = '{"amount":1,"name":"c0"}'
    places: dict[int, lanes.Place] = {}
    for number in range(records):
        domain = f"d{number % DOMAINS}"
        key = domain_key("bench", domain)
        partition = partition_of(key, partitions)
        call = Invocation(0, "c0", "bench.add", 1, arguments, f"{number:032x}", 1)
        meta = Meta(f"{number:032x}", f"{number:032x}", "", "bench", domain, 0, 0, None)
        value = codec.encode(TOPIC, InvokeCalls(meta, f"{number:032x}", "bench", (call,)))
        place = places.get(partition, lanes.BEFORE)
        stamp = lanes.Stamp(feeder, 0, place.number + 1, place.digest, exogenous=False)
        places[partition] = lanes.follow(place, key, value)
        producer.produce(TOPIC, value, key, partition, headers=[(lanes.HEADER, stamp.pack())])
    producer.flush()
    registry.close()
