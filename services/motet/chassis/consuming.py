"""What Kafka's consumer is told, and what it says: settings with their reasons, and errors sorted by who has to act."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, TopicPartition

from motet.chassis.errors import ConfigurationError, Refused
from motet.chassis.kafka_login import reaching
from motet.chassis.message import Message
from motet.chassis.settings import Settings

# The broker answers as soon as there is anything. Where there is nothing it is asked again so often, which costs it a third of a core where many
# ask fifty times a second; what is resumed, or sought, is asked for the next time.
WAIT_MS: Final = 200
# More than this does not gather for the patient.
GATHERED_BYTES: Final = 262_144


def consumer_settings(service: str, settings: Settings, patience_seconds: float = 0.0) -> dict[str, Any]:
    """A service's consumer, each setting for a reason (ARCHITECTURE.md, "Settings that matter")."""
    out: dict[str, Any] = {
        **reaching(settings.kafka_bootstrap),
        "group.id": f"motet.{service}",
        "group.instance.id": f"{service}-{settings.replica}",
        "group.protocol": settings.group_protocol,
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "fetch.wait.max.ms": WAIT_MS,
        "fetch.error.backoff.ms": 20,
        "check.crcs": True,
        "queued.max.messages.kbytes": 32_768,
        "enable.partition.eof": False,
        "max.poll.interval.ms": settings.max_poll_interval_ms,
    }
    if patience_seconds:
        out |= {"fetch.min.bytes": GATHERED_BYTES, "fetch.wait.max.ms": int(patience_seconds * 1_000)}
    if settings.group_protocol == "classic":
        out |= {
            "partition.assignment.strategy": "range",
            "session.timeout.ms": settings.session_timeout_ms,
            "heartbeat.interval.ms": max(300, settings.session_timeout_ms // 10),
        }
    else:
        # The broker deals, and would deal each topic by itself. How long a session is it says as well (group.consumer.session.timeout.ms).
        out["group.remote.assignor"] = "range"
    return out


def take_messages(consumer: Consumer, seconds: float, limit: int, warn: Callable[[str], None]) -> list[Message]:
    """Whatever is there now; waits for the first message only.

    Raises Refused where the log does not hold what comes next, and ConfigurationError where Kafka refuses this member for good.
    """
    first = consumer.poll(seconds)
    if first is None:
        return []
    out = []
    for one in (first, *consumer.consume(limit - 1, 0)):
        error = one.error()
        if error is None:
            out.append(Message.of(one))
        elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):  # noqa: SLF001  librdkafka's own name
            raise Refused(f"{error.str()}: the log does not hold what the shard's row says comes next")
        elif error.code() == KafkaError._FATAL:  # noqa: SLF001  librdkafka's own name
            raise ConfigurationError(
                f"Kafka refuses this member of the group: {error.str()}. If another process runs with the same replica number, "
                "give each its own MOTET_REPLICA"
            )
        else:
            warn(error.str())
    return out


def group_offsets(number: int, offsets: dict[str, int], position: int) -> list[TopicPartition]:
    """A shard's offsets as the group's commit, each with the outbox position."""
    return [TopicPartition(topic, number, offset, str(position)) for topic, offset in offsets.items()]
