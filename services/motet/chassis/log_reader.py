"""Reads the log as it is: partitions by number, between offsets, without a group and without writing anything.

`Log` is what a reader of stored records asks for, wherever they are stored; `LogReader` is Kafka's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from motet.chassis.errors import MotetError
from motet.chassis.message import Message
from motet.chassis.offsets import FIRST, NEXT, Place, asking, offsets_at, places_of

LOOK_SECONDS: Final = 0.2
# So long Kafka may say nothing while records are due: 30 s.
SILENT_ROUNDS: Final = 150
BATCH: Final = 5_000


class LogUnreadable(MotetError):
    """The log does not answer, or does not give the records that it says it has. Whoever asked tries again."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The first offset that a partition has, and the one after the last that is committed."""

    begin: int
    end: int


class Log(Protocol):
    """Stored records of Motet's topics: in Kafka, in archived files, in a bundle of evidence."""

    def places(self) -> tuple[str, list[Place]]:
        """The cluster's id, and every partition of every topic of ours that is there."""

    def bounds(self, places: Iterable[Place]) -> dict[Place, Bounds]:
        """What partitions have now."""

    def read(self, ranges: Mapping[Place, tuple[int, int]]) -> Iterator[list[Message]]:
        """The records from a first offset up to one that is not wanted, by partition; in each partition in order, in batches."""


class OpenLog(Log, Protocol):
    """A log that can be asked about times, and is closed at the end."""

    def behind(self, places: Iterable[Place], at_ms: int) -> dict[Place, int | None]:
        """The first offset whose record came after a time, in milliseconds since 1970; None where none did."""

    def close(self) -> None:
        """Ends the reader."""


class LogReader:
    """A reader of Motet's topics in Kafka. Not for several threads at once, and one `read` at a time."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.consumer = asking(
            bootstrap,
            {
                "auto.offset.reset": "error",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 20,
                "queued.max.messages.kbytes": 65_536,
                "check.crcs": True,
            },
        )

    def places(self) -> tuple[str, list[Place]]:
        """The cluster's id, and every partition of every topic that `schemas/topics.yaml` describes. Raises LogUnreadable."""
        with self.reachable():
            return places_of(self.consumer)

    def bounds(self, places: Iterable[Place]) -> dict[Place, Bounds]:
        """What partitions have now. Raises LogUnreadable."""
        wanted = list(places)
        with self.reachable():
            begins, ends = (offsets_at(self.consumer, wanted, when) for when in (FIRST, NEXT))
        return {place: Bounds(begins[place], end) for place, end in ends.items()}

    def behind(self, places: Iterable[Place], at_ms: int) -> dict[Place, int | None]:
        """The first offset whose record came after a time, in milliseconds since 1970; None where none did. Raises LogUnreadable."""
        with self.reachable():
            found = offsets_at(self.consumer, places, at_ms + 1)
        return {place: None if offset < 0 else offset for place, offset in found.items()}

    @contextmanager
    def reachable(self) -> Iterator[None]:
        """Says who does not answer. Raises LogUnreadable."""
        try:
            yield
        except KafkaException as error:
            raise LogUnreadable(f"Kafka at {self.bootstrap} does not answer: {error.args[0].str()}") from error

    def read(self, ranges: Mapping[Place, tuple[int, int]]) -> Iterator[list[Message]]:
        """The records from a first offset up to one that is not wanted, by partition; in each partition in order, in batches.

        A range ends early where its partition does: compaction and transactions leave offsets without a record. Raises LogUnreadable.
        """
        left = {place: end for place, (start, end) in ranges.items() if start < end}
        starts = [TopicPartition(*place, ranges[place][0]) for place in left]
        self.consumer.assign(starts)
        # librdkafka remembers a pause beyond the assignment that it was made in.
        self.consumer.resume(starts)
        silent = 0
        try:
            while left:
                found = self.some()
                silent = 0 if found else silent + 1
                if silent > SILENT_ROUNDS:
                    raise LogUnreadable(
                        f"Kafka at {self.bootstrap} gave nothing for {silent * LOOK_SECONDS:g} s; still missing, up to: {left}"
                    )
                batch: list[Message] = []
                done = [place for one in found if (place := self.sort(one, left, batch)) is not None]
                if done and left:
                    # What was read to its end would be fetched on and on, as far as it goes.
                    self.consumer.pause([TopicPartition(*place) for place in done])
                if batch:
                    yield batch
        finally:
            self.consumer.unassign()

    def sort(self, one: Any, left: dict[Place, int], batch: list[Message]) -> Place | None:
        """Puts a message into the batch, if it is wanted; the place that is read to its end with it."""
        place = self.place_of(one)
        end = left.get(place)
        if end is None:
            return None
        if one.error() is None and one.offset() < end:
            batch.append(Message.of(one))
            if one.offset() + 1 < end:
                return None
        del left[place]
        return place

    def some(self) -> list[Any]:
        """What is there now; waits shortly for the first."""
        first = self.consumer.poll(LOOK_SECONDS)
        return [] if first is None else [first, *self.consumer.consume(BATCH - 1, 0)]

    def place_of(self, message: Any) -> Place:
        """Where a message is from; one that only says that a partition is read to its end has a place as well. Raises LogUnreadable."""
        error = message.error()
        if error is None or error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  librdkafka's own name for it
            return message.topic(), message.partition()
        # The client asks for the group whose name it wants; nothing is read or written there, so a login need not allow it.
        if (error.retriable() and not error.fatal()) or error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            return "", 0
        said = error.str()
        if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001  librdkafka's own name for it
            said = "the records that are asked for are not there any more; if they were archived, set MOTET_ARCHIVE_DIRECTORY"
        raise LogUnreadable(f"Kafka at {self.bootstrap}: {message.topic()}:{message.partition()}: {said}")

    def close(self) -> None:
        """Ends the reader."""
        self.consumer.close()
