"""What became of dead letters that were to be repaired: orders go through the door, outcomes come on `motet.dead-letters`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from motet.chassis.codec import Codec
from motet.chassis.errors import Undecodable
from motet.client.answers import CommandNotAnswered, Refused, Sent
from motet.client.events import Tail
from motet.records import Command, CommittedEvent, DeadLetterRepaired, RepairDeadLetter

TOPIC: Final = "motet.dead-letters"
# Whoever speaks as this tenant may repair anybody's dead letters.
OPERATOR: Final = "motet"
# The domain of an operator's orders. All of one tenant's orders are in one domain, so that they are done in the order given.
DOMAIN: Final = "dead-letters"
LOOKED_AT: Final = 20_000


class Sender(Protocol):
    """What sends orders and knows where the outcomes are: the client."""

    bootstrap: str
    codec: Codec

    def send(self, asked: Command) -> Sent:
        """Sends a command."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """What became of one dead letter.

    REDRIVEN and DISCARDED: it is none any more, and `released` records that had waited behind it were handled. FAILED_AGAIN: nothing
    changed, `failure` says why. NOT_FOUND: the service has no such letter (any more), or it is another tenant's. REFUSED: the order
    itself was wrong. NO_ANSWER: nothing came in time; the order is in Kafka and will be done.
    """

    dead_letter_id: str
    outcome: Literal["REDRIVEN", "DISCARDED", "FAILED_AGAIN", "NOT_FOUND", "REFUSED", "NO_ANSWER", "UNKNOWN"]
    released: int = 0
    failure: str | None = None
    record: DeadLetterRepaired | None = None

    @property
    def done(self) -> bool:
        """Whether it is a dead letter no more."""
        return self.outcome in ("REDRIVEN", "DISCARDED")


def repair_all(sender: Sender, orders: Sequence[RepairDeadLetter], timeout_seconds: float = 30.0) -> list[Repaired]:
    """Gives orders, waits for all outcomes, and returns them in the order given. Raises SubmitFailed if Kafka took not all."""
    tail = Tail(sender.bootstrap, TOPIC)
    try:
        until = time.monotonic() + timeout_seconds
        sent = [(order, sender.send(order)) for order in orders]
        ends = [taken_up(order, one, max(0.0, until - time.monotonic())) for order, one in sent]
        due = {(end.meta.correlation_id, order.dead_letter_id) for order, end in ends if not isinstance(end, Repaired)}
        outcomes = {
            (record.meta.correlation_id, record.dead_letter_id): record for record in heard(sender, tail, due, until)
        }
    finally:
        tail.close()
    return [
        end if isinstance(end, Repaired) else told(order, outcomes.get((end.meta.correlation_id, order.dead_letter_id)))
        for order, end in ends
    ]


def taken_up(order: RepairDeadLetter, sent: Sent, seconds: float) -> tuple[RepairDeadLetter, CommittedEvent | Repaired]:
    """The coordinator's event about an order, or what it came to already."""
    try:
        return order, sent.wait(seconds)
    except Refused as error:
        return order, Repaired(order.dead_letter_id, "REFUSED", failure=str(error))
    except CommandNotAnswered:
        failure = "the coordinator did not answer; the order is in Kafka: is it running? (`motet status`)"
        return order, Repaired(order.dead_letter_id, "NO_ANSWER", failure=failure)


def heard(sender: Sender, tail: Tail, due: set[tuple[str, str]], until: float) -> Iterator[DeadLetterRepaired]:
    """The outcomes that are due, as they come, until all are there or the time is over."""
    if not due:
        return
    for batch in tail.batches(lambda: not due or time.monotonic() > until, follow=True):
        for message in batch:
            try:
                record = sender.codec.decode(message.value)
            except Undecodable:
                continue
            if isinstance(record, DeadLetterRepaired):
                place = (record.meta.correlation_id, record.dead_letter_id)
                # Published again after a crash it is the same once more.
                if place in due:
                    due.discard(place)
                    yield record


def told(order: RepairDeadLetter, record: DeadLetterRepaired | None) -> Repaired:
    """What became of a letter whose service was told."""
    if record is None:
        failure = f"{order.service} did not answer; it will once it runs (`motet status`, or serve its tools again)"
        return Repaired(order.dead_letter_id, "NO_ANSWER", failure=failure)
    return Repaired(order.dead_letter_id, record.outcome, record.released, record.failure, record)


def waiting_behind(bootstrap: str, place: tuple[str, int, int], key: bytes) -> tuple[int, bool]:
    """How many later records of a key stand behind a place (topic, partition, offset) in Kafka, and whether all were looked at.

    Of a service that reads several topics, records of the others may wait too.
    """
    topic, partition, offset = place
    tail = Tail(bootstrap, topic, start=(partition, offset + 1))
    count = looked = 0
    try:
        for batch in tail.batches(lambda: False, follow=False):
            looked += len(batch)
            count += sum(message.key == key for message in batch)
            if looked >= LOOKED_AT:
                break
    finally:
        tail.close()
    return count, looked < LOOKED_AT
