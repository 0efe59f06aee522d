"""What Kafka may forget: how far every group has read, and the deletion of what stands below an offset."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from motet.chassis.kafka_login import reaching
from motet.chassis.lag import SECONDS
from motet.chassis.log_reader import LogUnreadable, Place


def read_by_all(bootstrap: str) -> dict[Place, tuple[int, str]]:
    """The lowest offset that a group has committed, and whose it is, of each partition that a group reads: Motet's and yours. Raises LogUnreadable."""
    admin = AdminClient(reaching(bootstrap) | {"log_level": 0})
    out: dict[Place, tuple[int, str]] = {}
    try:
        groups = [one.group_id for one in admin.list_consumer_groups(request_timeout=SECONDS).result(SECONDS).valid]
        for group in groups:
            asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=SECONDS)
            for one in asked[group].result(SECONDS).topic_partitions or ():
                place, offset = (one.topic, one.partition), max(0, one.offset)
                if place not in out or offset < out[place][0]:
                    out[place] = offset, group
    except KafkaException as error:
        raise LogUnreadable(f"Kafka at {bootstrap} does not answer: {error.args[0].str()}") from error
    return out


def delete_below(bootstrap: str, ends: Mapping[Place, int]) -> None:
    """Deletes what stands below an offset of each partition. Raises LogUnreadable; then what was deleted stays deleted."""
    if not ends:
        return
    admin = AdminClient(reaching(bootstrap) | {"log_level": 0})
    wanted = [TopicPartition(*place, end) for place, end in sorted(ends.items())]
    try:
        for one in admin.delete_records(wanted, request_timeout=SECONDS).values():
            one.result(SECONDS)
    except KafkaException as error:
        raise LogUnreadable(f"Kafka at {bootstrap} does not delete: {error.args[0].str()}") from error
