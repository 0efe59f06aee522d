"""What Kafka carried, as plain data: the hop sees no client library."""

from __future__ import annotations

from typing import Any

from motet.records.record import record


@record
class Message:
    """A record as it stood in its partition. `timestamp_ms` is when the broker appended it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: tuple[tuple[str, bytes | None], ...]

    @property
    def where(self) -> str:
        """`topic:partition:offset`, the name of a record that has no event id."""
        return f"{self.topic}:{self.partition}:{self.offset}"

    @staticmethod
    def of(message: Any) -> Message:
        """The data of a confluent_kafka.Message without error."""
        return Message(
            message.topic(),
            message.partition(),
            message.offset(),
            message.key(),
            message.value(),
            message.timestamp()[1],
            tuple(message.headers() or ()),
        )
