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
from typing import Final

from motet.chassis.errors import ConfigurationError
from motet.chassis.log_reader import Log, LogUnreadable, OpenLog

PLACE: Final = re.compile(r"([a-z][a-z0-9.-]*):(\d{1,6}):(\d{1,18})")


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


def cut_at(log: OpenLog, places: Iterable[tuple[str, int]], moment: datetime | Place) -> Cut:
    """Everything that Kafka had at a moment, that moment included, of the topics and partitions given.

    Raises ConfigurationError if there is no record at the place that is named, LogUnreadable if Kafka does not answer.
    """
    wanted = sorted(places)
    own = {}
    if isinstance(moment, Place):
        at_ms = time_of(log, moment)
        own = {(moment.topic, moment.partition): moment.offset + 1}
    else:
        at_ms = int(moment.timestamp() * 1_000)
    behind, bounds = log.behind(wanted, at_ms), log.bounds(wanted)
    # Where nothing came later, everything that is there came before.
    ends = {place: bounds[place].end if (first := behind[place]) is None else first for place in wanted}
    return Cut(ends | {place: end for place, end in own.items() if place in ends}, at_ms)


def time_of(log: Log, place: Place) -> int:
    """The time that Kafka gave a record, in milliseconds since 1970. Raises ConfigurationError if there is no such record."""
    partition, name = (place.topic, place.partition), f"{place.topic}:{place.partition}:{place.offset}"
    try:
        bounds = log.bounds([partition])[partition]
    except LogUnreadable as error:
        raise ConfigurationError(f"there is no partition {place.partition} of {place.topic}: {error}") from error
    if not bounds.begin <= place.offset < bounds.end:
        has = f"has offsets {bounds.begin} to {bounds.end - 1}" if bounds.end > bounds.begin else "is empty"
        raise ConfigurationError(f"there is no record at {name}: that partition {has}")
    for batch in log.read({partition: (place.offset, place.offset + 1)}):
        return batch[0].timestamp_ms
    raise ConfigurationError(
        f"there is no record at {name}: the offset is none of a record, such as the marker of a transaction"
    )
