"""How far each group is behind: the end of every partition it reads less what it committed, as any Kafka tool counts it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager

from confluent_kafka import KafkaException, TopicPartition

from motet.chassis.errors import MotetError
from motet.chassis.offsets import NEXT, asking, committed_by, offsets_at, place_of


class LagUnknown(MotetError):
    """Kafka did not answer."""


def lag_of(bootstrap: str, services: Iterable[str]) -> dict[str, dict[str, int]]:
    """Records behind, by service and topic. A service that never committed anything is not in it. Raises LagUnknown."""
    out: dict[str, dict[str, int]] = {}
    with reached(bootstrap), closing(asking(bootstrap, {"isolation.level": "read_uncommitted"})) as consumer:
        for service in services:
            committed = known(bootstrap, service)
            if not committed:
                continue
            ends = offsets_at(consumer, map(place_of, committed), NEXT)
            behind = out.setdefault(service, {})
            for one in committed:
                behind[one.topic] = behind.get(one.topic, 0) + ends[place_of(one)] - one.offset
    return out


def published_by(bootstrap: str, services: Iterable[str]) -> dict[tuple[str, int], int]:
    """Up to which outbox position services have published, as their groups' commits say, by service and shard. Raises LagUnknown."""
    out: dict[tuple[str, int], int] = {}
    with reached(bootstrap):
        for service in services:
            for one in known(bootstrap, service):
                place = service, one.partition
                out[place] = max(out.get(place, 0), int(one.metadata or 0))
    return out


def taken_by(bootstrap: str, service: str) -> dict[tuple[str, int], int]:
    """Up to which offset a service's group committed its inputs, by topic and partition. Raises LagUnknown."""
    with reached(bootstrap):
        return {place_of(one): one.offset for one in known(bootstrap, service)}


def known(bootstrap: str, service: str) -> list[TopicPartition]:
    """What a service's group committed. Raises KafkaException."""
    return committed_by(bootstrap, f"motet.{service}")


@contextmanager
def reached(bootstrap: str) -> Iterator[None]:
    """Says who does not answer. Raises LagUnknown."""
    try:
        yield
    except KafkaException as error:
        raise LagUnknown(f"Kafka at {bootstrap} does not answer: {error.args[0].str()}") from error
