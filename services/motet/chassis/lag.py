"""How far each group is behind: the end of every partition it reads less what it committed, as any Kafka tool counts it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # not in its __all__

from motet.chassis.errors import MotetError
from motet.chassis.kafka_login import reaching

SECONDS = 15.0
LATEST: Any = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the client has no types here


class LagUnknown(MotetError):
    """Kafka did not answer."""


def lag_of(bootstrap: str, services: Iterable[str]) -> dict[str, dict[str, int]]:
    """Records behind, by service and topic. A service that never committed anything is not in it. Raises LagUnknown."""
    admin = AdminClient(reaching(bootstrap) | {"log_level": 0})
    out: dict[str, dict[str, int]] = {}
    try:
        for service in services:
            committed = committed_by(admin, service)
            if not committed:
                continue
            wanted = {TopicPartition(one.topic, one.partition): LATEST for one in committed}
            ends = {
                (place.topic, place.partition): future.result(SECONDS).offset
                for place, future in admin.list_offsets(wanted, request_timeout=SECONDS).items()
            }
            behind = out.setdefault(service, {})
            for one in committed:
                due = ends[one.topic, one.partition] - max(0, one.offset)
                behind[one.topic] = behind.get(one.topic, 0) + due
    except KafkaException as error:
        raise LagUnknown(f"Kafka at {bootstrap} does not answer: {error.args[0].str()}") from error
    return out


def published_by(bootstrap: str, services: Iterable[str]) -> dict[tuple[str, int], int]:
    """Up to which outbox position services have published, as their groups' commits say, by service and shard. Raises LagUnknown."""
    admin = AdminClient(reaching(bootstrap) | {"log_level": 0})
    out: dict[tuple[str, int], int] = {}
    try:
        for service in services:
            for one in committed_by(admin, service):
                place = service, one.partition
                out[place] = max(out.get(place, 0), int(one.metadata or 0))
    except KafkaException as error:
        raise LagUnknown(f"Kafka at {bootstrap} does not answer: {error.args[0].str()}") from error
    return out


def taken_by(bootstrap: str, service: str) -> dict[tuple[str, int], int]:
    """Up to which offset a service's group committed its inputs, by topic and partition. Raises LagUnknown."""
    admin = AdminClient(reaching(bootstrap) | {"log_level": 0})
    try:
        return {(one.topic, one.partition): max(0, one.offset) for one in committed_by(admin, service)}
    except KafkaException as error:
        raise LagUnknown(f"Kafka at {bootstrap} does not answer: {error.args[0].str()}") from error


def committed_by(admin: AdminClient, service: str) -> list[TopicPartition]:
    """What a service's group committed; nothing if it never did. Raises KafkaException."""
    group = f"motet.{service}"
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=SECONDS)
    return list(asked[group].result(SECONDS).topic_partitions or ())
