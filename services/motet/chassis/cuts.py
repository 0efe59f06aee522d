"""A cut through topics: where each of their partitions was at a moment, by the times that Kafka gave the records.

A moment is a time, or the place of a record: then it is the time of that record, and its own partition is cut right behind it. An event
lies behind its cause in time, also where they are in two partitions, so a cut has no effect without its cause as long as the broker's
clock does not go back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, cast

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # not in its __all__

from motet.chassis.errors import ConfigurationError, MotetError

SECONDS: Final = 15.0
PLACE: Final = re.compile(r"([a-z][a-z0-9.-]*):(\d{1,6}):(\d{1,18})")


class LogUnreadable(MotetError):
    """Kafka did not answer what was asked about its topics."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands, written `topic:partition:offset`."""

    topic: str
    partition: int
    offset: int

    @staticmethod
    def read(text: str) -> Place | None:
        """A place as it is written; None if this is none."""
        found = PLACE.fullmatch(text)
        return None if found is None else Place(found[1], int(found[2]), int(found[3]))


@dataclass(frozen=True, slots=True)
class Cut:
    """The first offset that is not in it, by topic and partition, and its time in milliseconds since 1970."""

    ends: dict[tuple[str, int], int]
    at_ms: int

    @property
    def at(self) -> datetime:
        """Its time."""
        return datetime.fromtimestamp(self.at_ms / 1_000, UTC)


def cut_at(bootstrap: str, places: Iterable[tuple[str, int]], moment: datetime | Place) -> Cut:
    """Everything that Kafka had at a moment, that moment included, of the topics and partitions given.

    Raises ConfigurationError if there is no record at the place that is named, LogUnreadable if Kafka does not answer.
    """
    wanted = sorted(places)
    own = {}
    if isinstance(moment, Place):
        at_ms = time_of(bootstrap, moment)
        own = {(moment.topic, moment.partition): moment.offset + 1}
    else:
        at_ms = int(moment.timestamp() * 1_000)
    behind, latest = (offsets(bootstrap, wanted, spec) for spec in (after(at_ms), latest_offset()))
    # Where nothing came later, everything that is there came before.
    ends = {place: latest[place] if behind[place] < 0 else behind[place] for place in wanted}
    return Cut(ends | {place: end for place, end in own.items() if place in ends}, at_ms)


def after(at_ms: int) -> OffsetSpec:
    """The first record behind a time."""
    return cast("OffsetSpec", OffsetSpec.for_timestamp(at_ms + 1))


def latest_offset() -> OffsetSpec:
    """The end."""
    return cast("OffsetSpec", OffsetSpec.latest())  # type: ignore[no-untyped-call]  # the client has no types here


def offsets(bootstrap: str, places: list[tuple[str, int]], spec: OffsetSpec) -> dict[tuple[str, int], int]:
    """An offset of each partition; -1 if it has none such."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    asked = {TopicPartition(topic, number): spec for topic, number in places}
    try:
        return {
            (place.topic, place.partition): found.result(SECONDS).offset
            for place, found in admin.list_offsets(asked, request_timeout=SECONDS).items()
        }
    except KafkaException as error:
        raise LogUnreadable(f"Kafka at {bootstrap} does not say where its topics are: {error.args[0].str()}") from error


def time_of(bootstrap: str, place: Place) -> int:
    """The time that Kafka gave a record, in milliseconds since 1970."""
    start = TopicPartition(place.topic, place.partition, place.offset)
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "motet-cuts",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "log_level": 0,
        }
    )
    try:
        low, high = consumer.get_watermark_offsets(start, timeout=SECONDS)
        if not low <= place.offset < high:
            raise ConfigurationError(
                f"there is no record at {place.topic}:{place.partition}:{place.offset}: that partition has offsets {low} to {high - 1}"
                if high > low
                else f"there is no record at {place.topic}:{place.partition}:{place.offset}: that partition is empty"
            )
        consumer.assign([start])
        message = consumer.poll(SECONDS)
        if message is None or message.error() is not None:
            raise LogUnreadable(f"Kafka at {bootstrap} did not give {place.topic}:{place.partition}:{place.offset}")
        return int(message.timestamp()[1])
    except KafkaException as error:
        raise ConfigurationError(
            f"Kafka at {bootstrap} has no partition {place.partition} of {place.topic}: {error.args[0].str()}"
        ) from error
    finally:
        consumer.close()
