"""The log read from outside, on a real broker: exactly the ranges asked for, no trace left behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from motet.chassis import provision
from motet.chassis.log_reader import Bounds, LogReader, LogUnreadable
from motet.chassis.registry import Registry
from motet.chassis.waiting import wait_until
from motet.platform import Addresses

TOPIC: Final = "motet.invocations.reader-test"
READ_SECONDS: Final = 15.0


@pytest.fixture(scope="module")
def reader(provisioned: Addresses) -> Iterator[LogReader]:
    """A reader, and a topic with six records in partition 0, three in 1, and an aborted transaction's behind them in 2."""
    registry = Registry(provisioned.registry)
    provision.ensure(provisioned.kafka, registry, (TOPIC,))
    registry.close()
    producer = Producer(
        {"bootstrap.servers": provisioned.kafka, "transactional.id": "reader-test", "transaction.timeout.ms": 10_000}
    )
    producer.init_transactions(READ_SECONDS)
    for records, ends in (((6, 3, 2, 0), producer.commit_transaction), ((0, 0, 4, 0), producer.abort_transaction)):
        producer.begin_transaction()
        for partition, count in enumerate(records):
            for number in range(count):
                producer.produce(TOPIC, f"{partition}.{number}".encode(), b"key", partition)
        producer.flush(READ_SECONDS)
        ends(READ_SECONDS)
    made, aborted = LogReader(provisioned.kafka), (TOPIC, 2)
    # A transaction has ended before its markers are in the partitions.
    wait_until(lambda: made.bounds([aborted])[aborted].end == 8, READ_SECONDS, "the marker is there")
    yield made
    made.close()


def values(reader: LogReader, ranges: dict[tuple[str, int], tuple[int, int]]) -> list[str]:
    """What a read brings, by partition."""
    found = [message for batch in reader.read(ranges) for message in batch]
    return [(one.value or b"").decode() for one in sorted(found, key=lambda one: (one.partition, one.offset))]


def test_a_range_is_read_exactly(reader: LogReader) -> None:
    """From the first offset up to the one that is not wanted, of each partition its own; the same reader may read again."""
    asked = {(TOPIC, 0): (2, 5), (TOPIC, 1): (0, 1), (TOPIC, 3): (0, 0)}
    assert values(reader, asked) == ["0.2", "0.3", "0.4", "1.0"]
    assert values(reader, asked) == ["0.2", "0.3", "0.4", "1.0"]


def test_what_was_aborted_is_not_there_and_ends_its_range(reader: LogReader) -> None:
    """Offsets that hold no record are not waited for."""
    places = [(TOPIC, number) for number in range(4)]
    bounds = reader.bounds(places)
    # Each transaction leaves a marker.
    assert bounds[TOPIC, 0] == Bounds(0, 7)
    assert bounds[TOPIC, 2] == Bounds(0, 8)
    assert values(reader, {(TOPIC, 2): (0, 8)}) == ["2.0", "2.1"]


def test_topics_are_those_of_the_topics_file(reader: LogReader) -> None:
    """Every partition of ours, and nobody else's."""
    cluster, places = reader.places()
    assert cluster
    assert {(TOPIC, 0), (TOPIC, 3), ("motet.events", 0)} <= set(places)
    assert all(topic.startswith("motet.") for topic, _ in places)


def test_what_the_log_does_not_have_is_said(reader: LogReader) -> None:
    """A start that is not there would otherwise be waited for, or be taken for an empty range."""
    with pytest.raises(LogUnreadable, match="reader-test:1"):
        values(reader, {(TOPIC, 1): (1_000, 1_001)})


def test_nothing_is_left_behind(reader: LogReader, provisioned: Addresses) -> None:
    """No group, so no offsets of one: many may read at once, with no right but to read."""
    assert values(reader, {(TOPIC, 1): (0, 3)}) == ["1.0", "1.1", "1.2"]
    # A client that nobody holds is thrown away, and what it was asked is never answered.
    admin = AdminClient({"bootstrap.servers": provisioned.kafka})
    groups = admin.list_consumer_groups().result(READ_SECONDS)
    assert "motet-reader" not in {one.group_id for one in groups.valid}
