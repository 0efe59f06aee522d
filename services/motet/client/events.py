"""Reading `motet.events` as it is: every partition by number, without a group, from the beginning or from now on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from motet.chassis.consuming import WAIT_MS
from motet.chassis.errors import MotetError
from motet.chassis.kafka_login import reaching
from motet.chassis.message import Message

EVENTS: Final = "motet.events"
TYPE_HEADER: Final = "ce_type"
LOOK_SECONDS: Final = 0.2
ANSWER_SECONDS: Final = 15.0


class EventsUnavailable(MotetError):
    """Kafka does not answer, or nobody has created the topics yet."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event and where it stands.

    `decided_by` is what stands beside its content: code, strategy, rules, workflow and contracts, each where it is known.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    type: str
    record: Any
    decided_by: Mapping[str, str] = field(default_factory=dict)


def event_type(message: Message) -> str:
    """The record type that a message's header names; empty if it names none."""
    return next(((value or b"").decode() for name, value in message.headers if name == TYPE_HEADER), "")


class Tail:
    """A reader of all partitions of one topic, or of one partition from an offset on. Not for several threads at once."""

    def __init__(
        self, bootstrap: str, topic: str = EVENTS, *, from_beginning: bool = False, start: tuple[int, int] | None = None
    ) -> None:
        self.consumer = Consumer(
            {
                **reaching(bootstrap),
                "group.id": "motet-tail",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": WAIT_MS,
                "check.crcs": True,
                "log_level": 0,
            }
        )
        try:
            metadata = self.consumer.list_topics(topic, timeout=ANSWER_SECONDS).topics[topic]
            if metadata.error is not None or not metadata.partitions:
                raise EventsUnavailable(f"topic {topic} does not exist: do Motet's services run? (`motet status`)")
            starts = []
            for number in sorted(metadata.partitions if start is None else {start[0]}):
                _, end = self.consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=ANSWER_SECONDS)
                at = start[1] if start is not None else OFFSET_BEGINNING if from_beginning else end
                starts.append(TopicPartition(topic, number, at))
        except KafkaException as error:
            self.consumer.close()
            raise EventsUnavailable(f"Kafka at {bootstrap} does not answer: {error.args[0].str()}") from error
        self.consumer.assign(starts)
        self.partitions = len(starts)

    def batches(self, stopped: Callable[[], bool], *, follow: bool) -> Iterator[list[Message]]:
        """Messages as they come, in each partition in order; an empty batch now and then, so that a caller can look around.

        Without `follow` it ends where the log ended when it was reached.
        """
        at_end: set[int] = set()
        while not stopped():
            batch: list[Message] = []
            for one in self.some():
                error = one.error()
                if error is None:
                    batch.append(Message.of(one))
                    at_end.discard(batch[-1].partition)
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  librdkafka's own name for it
                    at_end.add(one.partition() or 0)
                elif not error.retriable() and error.fatal():
                    raise EventsUnavailable(error.str())
            yield batch
            if not follow and len(at_end) == self.partitions:
                return

    def some(self) -> list[Any]:
        """What is there now; waits for the first message only."""
        first = self.consumer.poll(LOOK_SECONDS)
        return [] if first is None else [first, *self.consumer.consume(500, 0)]

    def close(self) -> None:
        """Ends the reader."""
        self.consumer.close()


class Listener:
    """A thread that hands each message on a topic from now on to a function."""

    def __init__(self, bootstrap: str, take: Callable[[Message], None], topic: str = EVENTS) -> None:
        self.tail = Tail(bootstrap, topic)
        self.take = take
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, name=topic, daemon=True)
        self.thread.start()

    def run(self) -> None:
        """Until closed."""
        for batch in self.tail.batches(self.stopping.is_set, follow=True):
            for message in batch:
                self.take(message)

    def close(self) -> None:
        """Stops the thread and waits for it."""
        self.stopping.set()
        self.thread.join()
        self.tail.close()
