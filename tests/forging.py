"""Whoever has the broker: takes topics away, and puts others of the same names there, with the times that the records had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from motet.chassis.log_reader import LogReader
from motet.chassis.message import Message
from motet.chassis.waiting import wait_until

SECONDS: Final = 30.0

# A topic's records by partition.
Content = dict[int, list[Message]]


def dump(bootstrap: str, topics: Sequence[str]) -> dict[str, Content]:
    """Topics as they are: a backup."""
    reader = LogReader(bootstrap)
    places = [place for place in reader.places()[1] if place[0] in topics]
    out: dict[str, Content] = {topic: {} for topic in topics}
    for topic, number in places:
        out[topic][number] = []
    ranges = {place: (one.begin, one.end) for place, one in reader.bounds(places).items()}
    for batch in reader.read(ranges):
        for message in batch:
            out[message.topic][message.partition].append(message)
    reader.close()
    return out


def put(bootstrap: str, contents: Mapping[str, Content]) -> None:
    """Topics with other content than they have: deleted, made again, and filled, offset after offset."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.delete_topics(list(contents), operation_timeout=SECONDS).values():
        future.result()
    wait_until(
        lambda: not contents.keys() & admin.list_topics(timeout=SECONDS).topics.keys(), SECONDS, "the topics are gone"
    )
    # The time is the forger's to choose, and he chooses the one that it was.
    made = [
        NewTopic(topic, len(one), config={"message.timestamp.type": "CreateTime"}) for topic, one in contents.items()
    ]
    for future in admin.create_topics(made, operation_timeout=SECONDS).values():
        future.result()
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    for topic, content in contents.items():
        for number, messages in content.items():
            for one in messages:
                producer.produce(
                    topic, one.value, one.key, number, timestamp=one.timestamp_ms, headers=list(one.headers)
                )
    assert producer.flush(SECONDS) == 0


def cut_beginning(bootstrap: str, topic: str, number: int, offset: int) -> None:
    """What an operator does with `kafka-delete-records`."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.delete_records([TopicPartition(topic, number, offset)]).values():
        future.result()
