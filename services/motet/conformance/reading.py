"""A history read from Kafka as it is now. Nothing is written: no group, no topic, no schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from motet.chassis.errors import ConfigurationError, Refused
from motet.chassis.hop import MERGES
from motet.chassis.message import Message
from motet.chassis.provision import catalog, entry
from motet.chassis.registry import Registry
from motet.chassis.service import Service
from motet.chassis.settings import Settings
from motet.conformance.history import History, deciding, schema_id_of

SECONDS: Final = 15.0
BATCH: Final = 5_000
WAIT_SECONDS: Final = 1.0
SILENT_ROUNDS: Final = 60


def read(settings: Settings, topics: Iterable[str], services: Sequence[str]) -> History:
    """What topics hold, and how far the groups of services are. Raises ConfigurationError where the log begins later than at its beginning."""
    covered = {place: position for service in services for place, position in covered_by(settings, service).items()}
    # How a batch was merged is written before what followed from it: read up to an earlier moment, the rest is there too.
    names = sorted(topics, key=lambda name: (name != MERGES, name))
    messages = list(messages_of(settings.kafka_bootstrap, names))
    registry = Registry(settings.schema_registry_url)
    try:
        ids = sorted({one for one in (schema_id_of(message.value) for message in messages) if one is not None})
        texts = {number: text for number in ids if (text := registry.schema(number)) is not None}
    finally:
        registry.close()
    return History(messages, texts, catalog()[0], deciding(settings), covered)


def all_topics(settings: Settings) -> list[str]:
    """Every topic of Motet that is there."""
    found = AdminClient({"bootstrap.servers": settings.kafka_bootstrap}).list_topics(timeout=SECONDS).topics
    return [name for name in sorted(found) if is_ours(name)]


def is_ours(topic: str) -> bool:
    """Whether the topics file knows a topic."""
    try:
        return bool(entry(topic))
    except ConfigurationError:
        return False


def topics_of(settings: Settings, service: Service) -> list[str]:
    """The topics that a service reads or writes, those of toolsets among them."""
    named = {*(one.topic for one in service.inputs), *service.outputs}
    # A host of plans invokes whatever toolsets there are.
    return [name for name in all_topics(settings) if name in named or service.name in entry(name).producers]


def covered_by(settings: Settings, service: str) -> dict[tuple[str, int], int]:
    """Up to which outbox position a service's group committed each shard."""
    out: dict[tuple[str, int], int] = {}
    for one in group_of(settings, service):
        place = service, one.partition
        out[place] = max(out.get(place, 0), int(one.metadata or 0))
    return out


def committed_by(settings: Settings, service: Service) -> dict[tuple[str, int], int]:
    """Up to which offset a service's group committed each of its inputs, by topic and partition."""
    places = {(one.topic, number): 0 for one in service.inputs for number in range(catalog()[0])}
    return places | {(one.topic, one.partition): max(0, one.offset) for one in group_of(settings, service.name)}


def group_of(settings: Settings, service: str) -> list[TopicPartition]:
    """What a service's group committed."""
    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap, "log_level": 0})
    group = f"motet.{service}"
    try:
        asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=SECONDS)
        return list(asked[group].result(SECONDS).topic_partitions or [])
    except KafkaException as error:
        raise ConfigurationError(
            f"Kafka at {settings.kafka_bootstrap} does not answer: {error.args[0].str()}"
        ) from error


def messages_of(bootstrap: str, topics: Sequence[str]) -> Iterator[Message]:
    """Every message of topics up to now, a partition's in order; a door's as a service reads them, without aborted ones."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "motet-history",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "check.crcs": True,
            "queued.max.messages.kbytes": 65_536,
            "log_level": 0,
        }
    )
    try:
        ends = dict(ends_of(consumer, topics))
        consumer.assign([TopicPartition(*place, OFFSET_BEGINNING) for place in ends])
        silent = 0
        while ends:
            found = consumer.consume(BATCH, WAIT_SECONDS)
            silent = 0 if found else silent + 1
            if silent > SILENT_ROUNDS:
                raise Refused(f"Kafka gave nothing for {silent * WAIT_SECONDS:g} s; still missing: {sorted(ends)}")
            for one in found:
                yield from taken(one, ends)
    finally:
        consumer.close()


def taken(message: Any, ends: dict[tuple[str, int], int]) -> Iterator[Message]:
    """A message that is wanted; a partition whose end is reached is wanted no longer."""
    place = message.topic(), message.partition()
    error = message.error()
    if error is not None:
        # What stands before the end may be no message: the end of a transaction, or what was aborted.
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  librdkafka's own name for it
            ends.pop(place, None)
        elif error.fatal():
            raise Refused(error.str())
        return
    if place not in ends or message.offset() >= ends[place]:
        ends.pop(place, None)
        return
    yield Message.of(message)
    if message.offset() + 1 >= ends[place]:
        del ends[place]


def ends_of(consumer: Consumer, topics: Sequence[str]) -> Iterator[tuple[tuple[str, int], int]]:
    """The end of every partition that holds something, in the order of the topics."""
    present = consumer.list_topics(timeout=SECONDS).topics
    for topic in topics:
        if topic not in present:
            continue
        for number in sorted(present[topic].partitions):
            first, end = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=SECONDS)
            if first > 0:
                raise ConfigurationError(
                    f"{topic}, partition {number}, begins at offset {first}: what stood before is gone, and nothing follows from a part"
                )
            if end > 0:
                yield (topic, number), end
