"""Faults of records: those that come twice, those that nobody can read, those of a transaction that hangs."""

from __future__ import annotations

import subprocess
import sys
from random import Random
from typing import Any, Final

from confluent_kafka import Producer

from motet.chaos import hung_producer
from motet.chaos.faults.fault import Fault, now_and_then
from motet.chaos.stage import Stage, pause
from motet.chassis.lanes import HEADER
from motet.chassis.log_reader import LogReader
from motet.chassis.message import Message
from motet.chassis.offsets import Place
from motet.chassis.provision import catalog

DOOR: Final = "motet.commands"
DOORS: Final = (DOOR, "motet.lease-commands")
AGAIN: Final = 4
# Broken in every way that a record can be: nothing, no prefix, a schema that is not there, a cut record, a key without a tenant.
GARBAGE: Final = (b"", b"\x00", b"hello", b"\x00\x7f\xff\xff\xffhello", b"\x00\x00\x00\x00\x01", b"\xff" * 300)
HUNG_SECONDS: Final = 10.0


def repeat_records(stage: Stage, chance: Random, seconds: float) -> int:
    """Every record between services is delivered 2 to 5 times: each is put behind its partition once more, header and all."""
    log, producer = LogReader(stage.addresses.kafka), Producer({"bootstrap.servers": stage.addresses.kafka})
    done = 0
    try:
        _, places = log.places()
        at: dict[Place, int] = {place: one.end for place, one in log.bounds(places).items()}
        for _ in now_and_then(chance, seconds, 0.2, 0.5):
            ends = {place: one.end for place, one in log.bounds(places).items()}
            ours = [one for batch in log.read({place: (at[place], ends[place]) for place in at}) for one in batch]
            for one in ours:
                done += repeat(producer, one, chance.randint(1, AGAIN))
            producer.flush()
            # What was put there just now is not repeated again.
            at = {place: one.end for place, one in log.bounds(places).items()}
    finally:
        log.close()
    return done


def repeat(producer: Producer, one: Message, times: int) -> int:
    """Puts a record behind its partition so many times; a command without a lane too, which is known by its key."""
    if one.topic != DOOR and not any(name == HEADER for name, _ in one.headers):
        return 0
    for _ in range(times):
        producer.produce(one.topic, one.value, one.key, one.partition, headers=list(one.headers))
    return times


def poison(stage: Stage, chance: Random, seconds: float) -> int:
    """Records that nobody can read, at the door and on internal topics."""
    producer = Producer({"bootstrap.servers": stage.addresses.kafka})
    topics = (DOOR, DOOR, "motet.results", "motet.events", "motet.invocations.chaos", "motet.lease-commands")

    def there(_: object, message: Any) -> None:
        place = f"{message.topic()}:{message.partition()}:{message.offset()}"
        stage.poisoned.add(place)
        if message.topic() not in DOORS:
            stage.poisoned_lanes.add(place)

    done = 0
    for _ in now_and_then(chance, seconds, 0.05, 0.3):
        key = chance.choice((None, b"", b"poison/main", b"no-slash", b"\xff\xfe"))
        topic, value, partition = chance.choice(topics), chance.choice(GARBAGE), chance.randrange(4)
        producer.produce(topic, value, key, partition, on_delivery=there)
        done += 1
    producer.flush()
    return done


def hung_transaction(stage: Stage, chance: Random, seconds: float) -> int:
    """A foreign producer begins a transaction at the door and dies: who reads committed records waits until the broker ends it."""
    done = 0
    partitions, _ = catalog()
    about = (stage.addresses.kafka, DOOR, str(partitions), "poison/main", "never committed")
    for left in now_and_then(chance, seconds, HUNG_SECONDS, HUNG_SECONDS * 2):
        with subprocess.Popen(
            [sys.executable, hung_producer.__file__, *about], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as producer:
            done += producer.stdout is not None and producer.stdout.readline().startswith(b"hung")
            pause(min(left, HUNG_SECONDS))
            producer.kill()
    return done


FAULTS: Final = (
    Fault("repeat-records", "every record is delivered 2 to 5 times", repeat_records),
    Fault("poison", "records that nobody can read, everywhere", poison),
    Fault("hung-transaction", "a foreign producer's transaction on the door that never ends", hung_transaction),
)
