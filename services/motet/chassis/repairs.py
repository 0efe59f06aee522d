"""Repairs: a dead letter is handled once more or given up, and the records that waited behind it go on.

A `Repair` arrives on a lane topic of its own and is taken after everything else of its batch. All of it happens in the hop's transaction: the
dead letter's record and the parked records of its key, in the order in which they were parked, are handed to the handler as they were read.
If anything fails, the hop fails, and the repair, alone in a hop, is answered with FAILED_AGAIN: nothing else has changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from motet.chassis import door
from motet.chassis.errors import Undecodable
from motet.chassis.identity import partition_of
from motet.chassis.message import Message
from motet.chassis.service import Handler, Received
from motet.records import Command, DeadLetterRepaired, Repair, RepairOutcome

if TYPE_CHECKING:
    from motet.chassis.hop import Hop

REPAIRS: Final = "motet.repairs"
# Whose commands may repair anybody's dead letters.
OPERATOR: Final = "motet"
PARKED_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as its service keeps it."""

    message: Message
    code: str
    parked: bool


def apply(hop: Hop, received: Received, handler: Handler) -> None:
    """Does what a repair asks for, if it is for this service."""
    repair: Repair = received.record
    if repair.service != hop.tools.service.name:
        return
    letter = find(hop, repair)
    if letter is None:
        answer(hop, received, "NOT_FOUND", 0)
        return
    if repair.action == "REDRIVE":
        handler.handle(again(hop, letter), hop)
    remove(hop, repair)
    released = release(hop, letter.message.key, handler) if letter.parked else 0
    answer(hop, received, "REDRIVEN" if repair.action == "REDRIVE" else "DISCARDED", released)


def failed(hop: Hop, received: Received, reason: str) -> None:
    """A repair that could not be done: the dead letter stays, and what waits behind it waits."""
    if received.record.service == hop.tools.service.name:
        hop.tools.log.warning("repair failed", dead_letter=received.record.dead_letter_id, reason=reason)
        answer(hop, received, "FAILED_AGAIN", 0)


def find(hop: Hop, repair: Repair) -> Letter | None:
    """The dead letter, if there is one and it is the asking tenant's, or an operator asks."""
    row = hop.connection.execute(
        'SELECT topic, "offset", key, payload, timestamp_ms, code, parked FROM dead_letter WHERE partition = %s AND event_id = %s',
        (hop.shard.partition, repair.dead_letter_id),
    ).fetchone()
    if row is None:
        return None
    topic, offset, key, payload, timestamp_ms, code, parked = row
    if repair.meta.tenant not in (OPERATOR, door.owner(key)[0]):
        return None
    return Letter(Message(topic, hop.shard.partition, offset, key, payload, timestamp_ms, ()), code, parked)


def again(hop: Hop, letter: Letter) -> list[Received]:
    """A dead letter's record as it would have been taken. Raises Undecodable if it still cannot be."""
    message = letter.message
    if letter.code == "NOT_ON_A_LANE":
        raise Undecodable(letter.code, f"only Motet's services write to {message.topic}: discard it")
    record = hop.tools.codec.decode(message.value)
    key = door.present(message.key)
    if hop.inputs[message.topic].door:
        door.check(key, record)
        if partition_of(key, hop.tools.partitions) != message.partition:
            hop.forward(key, message.value or b"", record.FULL_NAME)
            return []
    cause = message.where if isinstance(record, Command) else record.meta.event_id
    place = (message.topic, message.partition, message.offset)
    return [Received(*place, key, message.value or b"", message.timestamp_ms, record, cause)]


def remove(hop: Hop, repair: Repair) -> None:
    """The dead letter is done with."""
    hop.connection.execute(
        "DELETE FROM dead_letter WHERE partition = %s AND event_id = %s", (hop.shard.partition, repair.dead_letter_id)
    )


def release(hop: Hop, key: bytes | None, handler: Handler) -> int:
    """Hands over the records that were parked behind a dead letter, in their order; how many they were."""
    partition, count, last = hop.shard.partition, 0, -1
    while True:
        rows = hop.connection.execute(
            'SELECT number, topic, "offset", payload, timestamp_ms FROM parked_record WHERE partition = %s AND key = %s AND number > %s '
            "ORDER BY number LIMIT %s",
            (partition, key, last, PARKED_AT_ONCE),
        ).fetchall()
        if not rows:
            break
        letters = [
            Letter(Message(topic, partition, at, key, value, ms, ()), "", parked=False)
            for _, topic, at, value, ms in rows
        ]
        handler.handle([one for letter in letters for one in again(hop, letter)], hop)
        count, last = count + len(rows), rows[-1][0]
    for table in ("parked_record", "parked_key"):
        hop.connection.execute(f"DELETE FROM {table} WHERE partition = %s AND key = %s".encode(), (partition, key))
    hop.shard.parked.pop(key or b"", None)
    return count


def answer(hop: Hop, received: Received, outcome: RepairOutcome, released: int) -> None:
    """Says what became of the dead letter, behind it on the same lane."""
    repair: Repair = received.record
    cause = repair.meta
    meta = hop.meta(cause.event_id, received.timestamp_ms, cause.tenant, cause.domain, cause.correlation_id, None)
    record = DeadLetterRepaired(
        *(meta, repair.service, repair.dead_letter_id, outcome, released, repair.agent, repair.reason)
    )
    hop.emit("motet.dead-letters", record, b"", hop.shard.partition)
