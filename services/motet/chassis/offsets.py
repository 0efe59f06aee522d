"""Offsets as Kafka has them: where its partitions begin and end, and how far groups have come.

A consumer asks, one that joins no group. `AdminClient` has calls for all of this, and with them a process now and then dies of SIGSEGV:
`rd_kafka_ListOffsets` goes on with its request after another thread has answered and freed it, where the leaders of its partitions are not
known yet (seen with librdkafka 2.16, in a core of `motet chaos`), and `rd_kafka_ListConsumerGroupOffsets` asks a group that it does not have
where a coordinator is not ready (librdkafka's issue 5040).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, TopicPartition

from motet.chassis.errors import ConfigurationError
from motet.chassis.kafka_login import reaching
from motet.chassis.provision import entry

Place = tuple[str, int]

SECONDS: Final = 15.0
# What is asked for in place of a time, as in Kafka's ListOffsets: the first offset that is there, and the one behind the last.
FIRST: Final[int] = OFFSET_BEGINNING
NEXT: Final[int] = OFFSET_END
# The client wants a name of a group, also where none is joined.
NOBODY: Final = "motet-reader"


def asking(bootstrap: str, settings: Mapping[str, Any], group: str = NOBODY) -> Consumer:
    """A consumer that commits nothing and has no assignment, with settings of its own; to be closed by whoever asked for it."""
    return Consumer(
        {
            **reaching(bootstrap),
            "group.id": group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "log_level": 0,
            **settings,
        }
    )


def places_of(consumer: Consumer) -> tuple[str, list[Place]]:
    """The cluster's id, and every partition of every topic that `schemas/topics.yaml` describes. Raises KafkaException."""
    found = consumer.list_topics(timeout=SECONDS)
    ours = sorted(name for name in found.topics if is_ours(name))
    return found.cluster_id or "", [(name, number) for name in ours for number in sorted(found.topics[name].partitions)]


def offsets_at(consumer: Consumer, places: Iterable[Place], when: int) -> dict[Place, int]:
    """The first offset whose record has a time of at least `when`, in milliseconds since 1970, -1 where none has; or FIRST, or NEXT.

    NEXT is behind the last committed record for a consumer that reads committed records. Raises KafkaException, also where one of the
    partitions is not answered for.
    """
    wanted = [TopicPartition(*place, when) for place in places]
    if not wanted:
        return {}
    return {place_of(one): one.offset for one in answered(consumer.offsets_for_times(wanted, timeout=SECONDS))}


def committed_by(bootstrap: str, group: str) -> list[TopicPartition]:
    """What a group has committed of Motet's topics, each with its metadata; nothing if it never did. Raises KafkaException."""
    # Reading committed, the client would wait for a foreign transaction of the group to end.
    with closing(asking(bootstrap, {"isolation.level": "read_uncommitted"}, group)) as consumer:
        wanted = [TopicPartition(*place) for place in places_of(consumer)[1]]
        found = answered(consumer.committed(wanted, timeout=SECONDS)) if wanted else []
    return [one for one in found if one.offset >= 0]


def answered(found: list[TopicPartition]) -> list[TopicPartition]:
    """What Kafka said of partitions. Raises KafkaException where it said of one only that it cannot tell."""
    for one in found:
        if one.error is not None:
            raise KafkaException(one.error)
    return found


def place_of(one: TopicPartition) -> Place:
    """Topic and partition."""
    return one.topic, one.partition


def is_ours(topic: str) -> bool:
    """Whether a topic is one of Motet's."""
    try:
        entry(topic)
    except ConfigurationError:
        return False
    return True
