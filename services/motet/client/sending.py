"""The client's producer: what is handed to it ends once, with its place in Kafka or with the reason why it has none."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from motet.chassis.errors import MotetError
from motet.chassis.kafka_login import reaching

FLUSH_SECONDS: Final = 30.0
FULL_SECONDS: Final = 0.1
# librdkafka writes what is fatal to standard error, whatever it is told; where a person reads, the sentence of the command is enough.
SILENT: Final = logging.getLogger("motet.client.kafka")

# Is told the place as topic:partition:offset, or why there is none.
Told = Callable[[str | None, str | None], None]


class SubmitFailed(MotetError):
    """Kafka did not say that it has the command: it may have it all the same. Submit it again with the same idempotency key."""


class Sending:
    """Hands records to Kafka; usable from several threads.

    What is fatal to a producer, such as a login that may not write, confluent-kafka raises from whatever is called next, and the callbacks of
    what was on its way fail in it; so each of those is told here.
    """

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        SILENT.addHandler(logging.NullHandler())
        SILENT.propagate = False
        self.lock = threading.Lock()
        self.numbers = itertools.count()
        self.under_way: dict[int, Told] = {}
        # Why nothing is taken any more, once that is so.
        self.fatal = ""
        self.producer = Producer(
            {
                **reaching(bootstrap),
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "linger.ms": 1,
                "message.timeout.ms": 30_000,
                "log_level": 0,
            },
            logger=SILENT,
        )

    def give(self, topic: str, key: bytes, value: bytes, told: Told) -> None:
        """Hands a record over; waits where too much is under way. `told` is called once, on whatever thread."""
        number = next(self.numbers)
        with self.lock:
            self.under_way[number] = told

        def delivered(error: KafkaError | None, message: Any) -> None:
            if error is None:
                self.end(number, f"{message.topic()}:{message.partition()}:{message.offset()}", None)
            else:
                self.end(number, None, error.str())

        while True:
            try:
                self.producer.produce(topic, value, key, on_delivery=delivered)
            except BufferError:
                self.poll(FULL_SECONDS)
                continue
            except KafkaException as error:
                # After what is fatal each further record is refused without a reason; the first one has it.
                self.poll()
                self.end(number, None, self.fatal or error.args[0].str())
            return

    def poll(self, seconds: float = 0) -> None:
        """Lets deliveries be told."""
        try:
            self.producer.poll(seconds)
        except (KafkaException, SystemError) as error:
            self.give_up(error)

    def flush(self) -> None:
        """Waits until Kafka has everything. Raises SubmitFailed where it does not take it."""
        try:
            left = self.producer.flush(FLUSH_SECONDS)
        except (KafkaException, SystemError) as error:
            raise SubmitFailed(f"Kafka did not take the command: {self.give_up(error)}") from error
        if left:
            raise SubmitFailed(f"Kafka at {self.bootstrap} did not take every command within {FLUSH_SECONDS:g} s")

    def end(self, number: int, place: str | None, reason: str | None) -> None:
        """Tells how a record ended, once."""
        with self.lock:
            told = self.under_way.pop(number, None)
        if told is not None:
            told(place, reason)

    def give_up(self, error: BaseException) -> str:
        """Nothing that is under way arrives any more; the reason."""
        fatal = error if isinstance(error, KafkaException) else error.__cause__
        reason = str(fatal.args[0].str()) if isinstance(fatal, KafkaException) else str(error)
        with self.lock:
            self.fatal = self.fatal or reason
            left = list(self.under_way)
        for number in left:
            self.end(number, None, reason)
        return reason
