"""The client's producer: what is handed to it ends once, with its place in Kafka or with the reason why it has none."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from motet.chassis.errors import MotetError
from motet.chassis.kafka_login import reaching

FLUSH_SECONDS: Final = 30.0
# So often a wait looks whether the producer has given up meanwhile.
LOOK_SECONDS: Final = 1.0
FULL_SECONDS: Final = 0.1
# librdkafka writes what is fatal to standard error, whatever it is told; where a person reads, the sentence of the command is enough.
SILENT: Final = logging.getLogger("motet.client.kafka")

# Is told the place as topic:partition:offset, or why there is none.
Told = Callable[[str | None, str | None], None]


class SubmitFailed(MotetError):
    """Kafka did not say that it has the command: it may have it all the same. Submit it again with the same idempotency key."""


class Sending:
    """Hands records to Kafka; usable from several threads.

    What is fatal to a producer, such as a login that may not write, confluent-kafka raises from whatever is called next, be it the first thing
    that a callback calls: that may be done, and raise all the same. A lock taken there stayed locked. So nothing here takes one (what is done
    to `under_way` is one step of the interpreter each), and each record that was on its way is told what was fatal.
    """

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        SILENT.addHandler(logging.NullHandler())
        SILENT.propagate = False
        self.numbers = itertools.count()
        self.under_way: dict[int, Told] = {}
        # Why nothing is taken any more, once that is so.
        self.fatal = ""
        self.configuration: dict[str, Any] = {
            **reaching(bootstrap),
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "linger.ms": 0,
            "message.timeout.ms": 30_000,
            "log_level": 0,
        }
        self.producer = Producer(self.configuration, logger=SILENT)

    def give(self, topic: str, key: bytes, value: bytes, told: Told) -> None:
        """Hands a record over; waits where too much is under way. `told` is called once, on whatever thread."""
        number = next(self.numbers)
        self.under_way[number] = told

        def delivered(error: KafkaError | None, message: Any) -> None:
            try:
                # What is fatal is raised here, if at all, and not where a record is being told its end.
                threading.get_ident()
            except SystemError as fatal:
                self.give_up(fatal)
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
        deadline, left = time.monotonic() + FLUSH_SECONDS, 1
        while left and not self.fatal and time.monotonic() < deadline:
            try:
                left = self.producer.flush(LOOK_SECONDS)
            except (KafkaException, SystemError) as error:
                self.give_up(error)
        # What is handed over in the moment in which a producer gives up stays with it.
        if self.fatal:
            raise SubmitFailed(f"Kafka did not take the command: {self.fatal}")
        if left:
            raise SubmitFailed(f"Kafka at {self.bootstrap} did not take every command within {FLUSH_SECONDS:g} s")

    def end(self, number: int, place: str | None, reason: str | None) -> None:
        """Tells how a record ended, once."""
        told = self.under_way.pop(number, None)
        if told is not None:
            told(place, reason)

    def give_up(self, error: BaseException) -> None:
        """Nothing that is under way arrives any more."""
        fatal = error if isinstance(error, KafkaException) else error.__cause__
        if not self.fatal:
            self.fatal = str(fatal.args[0].str()) if isinstance(fatal, KafkaException) else self.asked_again(str(error))
        for number in list(self.under_way):
            self.end(number, None, self.fatal)

    def asked_again(self, otherwise: str) -> str:
        """Why a producer gives up, where that got lost between callbacks: another one, with nothing on its way, says it."""
        try:
            Producer(self.configuration, logger=SILENT).poll(LOOK_SECONDS)
        except KafkaException as error:
            return str(error.args[0].str())
        return otherwise
