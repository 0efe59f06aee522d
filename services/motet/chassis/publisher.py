"""Produces what hops committed, and knows what the broker has: records go out straight from memory, acknowledgements come back later.

A delivery is watched only on the last record of each destination: the idempotent producer keeps order within a partition and turns
any gap into a fatal error. After a fatal error the process takes a new producer and publishes again from the watermark.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from motet.chassis.consuming import group_offsets
from motet.chassis.errors import MotetError
from motet.chassis.kafka_login import reaching
from motet.chassis.outbox import Row


class ProducerLost(MotetError):
    """The producer is beyond repair; the loop takes a new one and publishes again from the watermark."""


@dataclass(slots=True)
class Sent:
    """One hop's facts on their way: done when no destination is awaited any more."""

    position: int
    offsets: dict[str, int]
    records: int
    awaited: int = 0


@dataclass(slots=True)
class Progress:
    """What of a shard is surely on the broker."""

    sent: deque[Sent] = field(default_factory=deque)
    covered: Sent | None = None


class Publisher:
    """One idempotent producer a process."""

    def __init__(self, bootstrap: str, client_id: str, logger: logging.Logger) -> None:
        self.configuration: dict[str, Any] = {
            **reaching(bootstrap),
            "client.id": client_id,
            "enable.idempotence": True,
            "enable.gapless.guarantee": True,
            "acks": "all",
            # A record that times out while later ones went out would be a gap: never time out.
            "message.timeout.ms": 0,
            "linger.ms": 0,
            "message.max.bytes": 8_388_608,
            "queue.buffering.max.messages": 500_000,
            "queue.buffering.max.kbytes": 262_144,
            "error_cb": self.failed,
        }
        self.logger = logger
        self.producer = Producer(self.configuration, logger=logger)
        self.progress: dict[int, Progress] = {}
        self.unacknowledged = 0
        self.fatal: KafkaError | None = None

    def failed(self, error: KafkaError) -> None:
        """The producer's error callback; only fatal errors end a producer."""
        if error.fatal():
            self.fatal = error

    def publish(self, shard: int, rows: Sequence[Row], position: int, offsets: dict[str, int]) -> None:
        """Hands a hop's facts to the producer. Raises ProducerLost."""
        sent = Sent(position, offsets, len(rows))
        last = {(row.topic, row.destination): row.position for row in rows}
        sent.awaited = len(last)

        def delivered(error: KafkaError | None, _: object) -> None:
            if error is not None:
                self.fatal = error
            else:
                sent.awaited -= 1

        for row in rows:
            watched = last[row.topic, row.destination] == row.position
            arguments: dict[str, Any] = {"on_delivery": delivered} if watched else {}
            while True:
                try:
                    self.producer.produce(
                        row.topic, row.value, row.key, row.destination, headers=row.headers(), **arguments
                    )
                    break
                except BufferError:
                    self.poll(0.05)
                except KafkaException as error:
                    raise ProducerLost(f"{row.topic}: {error}") from error
        self.unacknowledged += len(rows)
        self.progress.setdefault(shard, Progress()).sent.append(sent)

    def poll(self, seconds: float) -> None:
        """Takes acknowledgements. Raises ProducerLost after a fatal error."""
        self.producer.poll(seconds)
        if self.fatal is not None:
            raise ProducerLost(str(self.fatal))
        for progress in self.progress.values():
            while progress.sent and progress.sent[0].awaited == 0:
                progress.covered = progress.sent.popleft()
                self.unacknowledged -= progress.covered.records

    def drain(self, deadline: float) -> bool:
        """Waits until everything is acknowledged; False if the deadline (time.monotonic) comes first."""
        self.poll(0)
        while self.unacknowledged and time.monotonic() < deadline:
            self.poll(0.05)
        return not self.unacknowledged

    def take_covered(self, shards: Iterable[int]) -> list[TopicPartition]:
        """How far the broker has whole what shards said, as offsets that the group commits; each once."""
        offsets: list[TopicPartition] = []
        for shard in shards:
            progress = self.progress.get(shard)
            if progress is not None and progress.covered is not None:
                covered, progress.covered = progress.covered, None
                offsets += group_offsets(shard, covered.offsets, covered.position)
        return offsets

    def forget(self, shard: int) -> None:
        """The shard is given up; what is on its way may still arrive, and is dropped as a repeat where it does."""
        progress = self.progress.pop(shard, None)
        if progress is not None:
            self.unacknowledged -= sum(sent.records for sent in progress.sent)

    def replace(self) -> None:
        """A new producer, after a fatal error."""
        self.producer.purge()
        self.producer = Producer(self.configuration, logger=self.logger)
        self.progress.clear()
        self.unacknowledged, self.fatal = 0, None
