"""Repairs: a dead letter is handled once more or given up, and the records that waited behind it go on.

A `Repair` arrives on a lane topic of its own and is taken after everything else of its batch. All of it happens in the hop's transaction:

    1. Find the dead letter among the shard's own; another tenant's is not there.
    2. Redrive: hand its record to the handler as it was read, so that the facts that follow name the same cause. Its time is the
       repair's, since the log's time never goes back. Discard: leave that out.
    3. Hand over the records that were parked behind it, in the order in which they were parked. One that cannot be handled becomes a dead
       letter itself, and on a lane what stands behind it stays parked.
    4. Say what became of it.

If step 2 fails, the hop fails, and the repair, alone in a hop, is answered with FAILED_AGAIN: nothing else has changed. If the handler
fails over a record of step 3, the loop runs the hop again and names that record as a fault (`Hop.faults`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from motet.chassis import decided_by, door
from motet.chassis.errors import Undecodable
from motet.chassis.identity import partition_of
from motet.chassis.message import Message
from motet.chassis.service import Handler, Received
from motet.chassis.text import printable
from motet.records import DeadLetterRepaired, Repair, RepairDeadLetter, RepairOutcome

if TYPE_CHECKING:
    from motet.chassis.hop import Hop

REPAIRS: Final = "motet.repairs"
DEAD_LETTERS: Final = "motet.dead-letters"
# Here no key waits for another record: an order to repair, and the news of a dead letter, must not wait for what they are about.
UNORDERED: Final = frozenset({REPAIRS, DEAD_LETTERS})
# Whose commands may repair anybody's dead letters.
OPERATOR: Final = "motet"
PARKED_AT_ONCE: Final = 500
FAILURE_LENGTH: Final = 2_000
# Rows of dead letters, and of what waits behind one.
KEEP_LETTER: Final = (
    'INSERT INTO dead_letter (partition, event_id, topic, "offset", key, payload, timestamp_ms, code, parked, decided_by) '
    "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
KEEP_PARKED: Final = (
    'INSERT INTO parked_record (partition, topic, "offset", key, payload, timestamp_ms, decided_by) '
    "VALUES (%s, %s, %s, %s, %s, %s, %s)"
)


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as its service keeps it."""

    message: Message
    code: str
    parked: bool


@dataclass(frozen=True, slots=True)
class Parked:
    """A record that waits behind a dead letter, and its place in the order of waiting."""

    number: int
    message: Message


def goes_ahead(hop: Hop, message: Message) -> bool:
    """Whether a record need not wait though its key is parked: an order to repair, which may be what its key waits for."""
    if message.topic in UNORDERED or not hop.inputs[message.topic].ordered:
        return True
    try:
        return isinstance(hop.tools.codec.decode(message.value), RepairDeadLetter)
    except Undecodable:
        return False


def apply(hop: Hop, received: Received, handler: Handler) -> None:
    """Does what a repair asks for, if it is for this service."""
    repair: Repair = received.record
    if repair.service != hop.tools.service.name:
        return
    letter = find(hop, repair)
    if letter is None:
        answer(hop, received, "NOT_FOUND", b"")
        return
    if repair.action == "REDRIVE":
        handler.handle(again(hop, letter, received.timestamp_ms), hop)
    remove(hop, repair)
    released, failure = release(hop, letter.message.key, handler, received.timestamp_ms) if letter.parked else (0, None)
    outcome: RepairOutcome = "REDRIVEN" if repair.action == "REDRIVE" else "DISCARDED"
    answer(hop, received, outcome, letter.message.key, released, failure)


def failed(hop: Hop, received: Received, reason: str) -> None:
    """A repair that could not be done: the dead letter stays, and what waits behind it waits."""
    repair: Repair = received.record
    if repair.service == hop.tools.service.name:
        hop.tools.log.warning("repair failed", dead_letter=repair.dead_letter_id, reason=reason)
        letter = find(hop, repair)
        answer(hop, received, "FAILED_AGAIN", letter.message.key if letter is not None else b"", 0, reason)


def find(hop: Hop, repair: Repair) -> Letter | None:
    """The dead letter, if there is one and it is the asking tenant's, or an operator asks."""
    row = hop.connection.execute(
        'SELECT topic, "offset", key, payload, timestamp_ms, code, parked, decided_by FROM dead_letter WHERE partition = %s AND event_id = %s',
        (hop.shard.partition, repair.dead_letter_id),
    ).fetchone()
    if row is None:
        return None
    topic, offset, key, payload, timestamp_ms, code, parked, said = row
    if repair.meta.tenant not in (OPERATOR, door.owner(key)[0]):
        return None
    return Letter(
        Message(topic, hop.shard.partition, offset, key, payload, timestamp_ms, decided_by.kept(said)), code, parked
    )


def again(hop: Hop, letter: Letter, now_ms: int) -> list[Received]:
    """A dead letter's record as it would have been taken. Raises Undecodable if it still cannot be.

    A command knocks once more: it may be another service's, and its place in the door's order is where all see it.
    """
    message = letter.message
    if letter.code == "NOT_ON_A_LANE":
        raise Undecodable(letter.code, f"only Motet's services write to {message.topic}: discard it")
    found = taken(hop, message, now_ms)
    if not hop.inputs[message.topic].door:
        return found
    for one in found:
        hop.forward(one.topic, one.key, one.value, one.record.FULL_NAME)
    return []


def taken(hop: Hop, message: Message, now_ms: int) -> list[Received]:
    """A record that was kept, as the hop takes it from Kafka: nothing if it is forwarded. Raises Undecodable."""
    record = hop.tools.codec.decode(message.value)
    key = door.present(message.key)
    if hop.inputs[message.topic].door:
        door.check(message.topic, key, record)
        if partition_of(key, hop.tools.partitions) != message.partition:
            if hop.tools.service.answers(hop.inputs[message.topic], record):
                hop.forward(message.topic, key, message.value or b"", record.FULL_NAME)
            return []
    return [hop.received(message, key, record, now_ms)]


def remove(hop: Hop, repair: Repair) -> None:
    """The dead letter is done with."""
    hop.connection.execute(
        "DELETE FROM dead_letter WHERE partition = %s AND event_id = %s", (hop.shard.partition, repair.dead_letter_id)
    )


# -- what waits behind ---------------------------------------------------------------------------------------------------------


def release(hop: Hop, key: bytes | None, handler: Handler, now_ms: int) -> tuple[int, str | None]:
    """Hands over the records that were parked behind a dead letter, in their order.

    Returns how many they were and, if one became a dead letter itself, which.
    """
    unpark(hop, key)
    count, failure = 0, None
    ready: list[Received] = []
    for parked in waiting(hop, key):
        fault = hop.faults.get(parked.number)
        try:
            found = [] if fault is not None else taken(hop, parked.message, now_ms)
            code = "HANDLING_FAILED"
        except Undecodable as error:
            found, code, fault = [], error.code, str(error)
        if fault is None:
            ready += found
            count += 1
            if hop.careful or len(ready) >= PARKED_AT_ONCE:
                hand_over(hop, ready, handler, parked)
            continue
        hand_over(hop, ready, handler, parked)
        letter = hop.next_event_id()
        on_lane = hop.ordered(hop.inputs[parked.message.topic])
        hop.dead_letter(parked.message, code, fault, park=on_lane)
        failure = f"{parked.message.where} behind it became dead letter {letter}: {fault}"
        if on_lane:
            forget(hop, key, parked.number)
            return count, failure
    hand_over(hop, ready, handler, None)
    forget(hop, key, None)
    return count, failure


def hand_over(hop: Hop, ready: list[Received], handler: Handler, last: Parked | None) -> None:
    """Gives the handler what was gathered. Should it fail over a single record, the loop finds that record's number in the hop."""
    hop.over = last.number if hop.careful and last is not None and ready else None
    if ready:
        handler.handle(ready, hop)
    ready.clear()
    hop.over = None


def waiting(hop: Hop, key: bytes | None) -> Iterator[Parked]:
    """The records that wait behind a dead letter of a key, some at a time."""
    last = -1
    while True:
        rows = hop.connection.execute(
            'SELECT number, topic, "offset", payload, timestamp_ms, decided_by FROM parked_record WHERE partition = %s AND key = %s AND number > %s '
            "ORDER BY number LIMIT %s",
            (hop.shard.partition, key, last, PARKED_AT_ONCE),
        ).fetchall()
        for number, topic, offset, payload, timestamp_ms, said in rows:
            headers = decided_by.kept(said)
            yield Parked(number, Message(topic, hop.shard.partition, offset, key, payload, timestamp_ms, headers))
        if len(rows) < PARKED_AT_ONCE:
            return
        last = rows[-1][0]


def unpark(hop: Hop, key: bytes | None) -> None:
    """A key's records wait no longer."""
    hop.connection.execute(
        "DELETE FROM parked_key WHERE partition = %s AND key = %s",
        (hop.shard.partition, key),
    )
    hop.shard.parked.pop(key or b"", None)


def forget(hop: Hop, key: bytes | None, up_to: int | None) -> None:
    """Records that waited were handed over: all of a key, or those up to a number."""
    hop.connection.execute(
        "DELETE FROM parked_record WHERE partition = %s AND key = %s AND (%s::bigint IS NULL OR number <= %s)",
        (hop.shard.partition, key, up_to, up_to),
    )


def answer(
    hop: Hop,
    received: Received,
    outcome: RepairOutcome,
    key: bytes | None,
    released: int = 0,
    failure: str | None = None,
) -> None:
    """Says what became of the dead letter, behind it on the same lane."""
    repair: Repair = received.record
    cause = repair.meta
    meta = hop.meta(cause.event_id, received.timestamp_ms, cause.tenant, cause.domain, cause.correlation_id, None)
    told = None if failure is None else printable(failure[:FAILURE_LENGTH]).encode("utf-8", "replace").decode()
    record = DeadLetterRepaired(
        *(meta, repair.service, repair.dead_letter_id, outcome, released, repair.agent, repair.reason, told)
    )
    hop.emit(DEAD_LETTERS, record, key or b"", hop.shard.partition)


def parked_row(shard: int, message: Message) -> tuple[object, ...]:
    """The columns of a record that waits."""
    place = (shard, message.topic, message.offset)
    return *place, message.key, message.value, message.timestamp_ms, decided_by.found(message.headers)
