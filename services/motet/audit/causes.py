"""Each event's cause exists and precedes it.

A shard's inputs stand in its own partition number, so a cause is looked for there: among the last records, then, with a second reading, in all
of them. Order is that of the hybrid clocks, which follow from the log. A command has none; its time is that of its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from motet.audit.rule import Found, Rule
from motet.audit.stored import Stored
from motet.chassis.clock import BOUND_MS, COUNTER_BITS

# So many of the last records are known by name; what is caused by an older one is looked for in a second reading.
KNOWN: Final = 50_000
UNRESOLVED: Final = 200_000
ID_LENGTH: Final = 32
# How a batch was merged is written down before the batch is read, so it may be earlier than the last record of the batch.
UNORDERED: Final = frozenset({"Merged"})

# The end of a topic's partition; None if there is no such.
Ends = Callable[[str, int], int | None]


class Causes(Rule):
    """Each event names a cause that is in the log, and is later than it by their hybrid clocks."""

    name = "causes"
    advice = "follow the cause by `motet lineage`, or look for what was deleted: an effect without its cause was written by somebody else"

    def __init__(self, found: Found, ends: Ends) -> None:
        super().__init__(found)
        self.ends = ends
        self.known: dict[str, int] = {}
        self.older: dict[str, int] = {}
        # What is not known, by the cause's name.
        self.unresolved: dict[str, list[Stored]] = {}
        self.left_out = 0
        # Causes by place that are still to come: the effect stood before them in the order of reading.
        self.early: dict[str, Stored] = {}
        self.reached: dict[str, int] = {}
        self.last_place = ""
        # Whether the log lacks its beginning, and causes may be there.
        self.partial = False

    def begin(self, starts: Mapping[str, int]) -> None:
        """Where topics are read from, if not from their first record."""
        self.partial = bool(starts)
        self.reached.update(starts)

    def know(self, record: Stored) -> None:
        """An event that may be a cause."""
        if len(self.known) >= KNOWN:
            self.older, self.known = self.known, {}
        self.known[record.meta["event_id"]] = record.hlc

    def passed(self, record: Stored) -> None:
        """A record that may be a cause by its place, whatever it is: a dead letter is caused by what nobody can read."""
        self.reached[record.topic] = record.offset + 1
        if self.early:
            effect = self.early.pop(record.where, None)
            if effect is not None and record.timestamp_ms > effect.hlc >> COUNTER_BITS:
                what = f"{effect.name} was decided at {effect.hlc >> COUNTER_BITS} ms"
                self.wrong(
                    effect, f"{what}, and its cause {record.where} was appended at {record.timestamp_ms} ms, later"
                )

    def take(self, record: Stored) -> None:
        """An event."""
        cause = record.cause
        self.checked += 1
        if len(cause) == ID_LENGTH and ":" not in cause:
            before = self.known.get(cause)
            if before is None:
                before = self.older.get(cause)
            if before is None:
                self.ask(record)
            elif before >= record.hlc:
                self.order(record, before)
        elif ":" in cause:
            if cause != self.last_place:
                self.place(record, cause)
        elif not record.exogenous:
            self.wrong(record, f"{record.name} names {cause!r} as its cause, which is neither an event id nor a place")

    def ask(self, record: Stored) -> None:
        """A cause that is none of the last records."""
        if len(self.unresolved) >= UNRESOLVED:
            self.left_out += 1
        else:
            self.unresolved.setdefault(record.cause, []).append(record)

    def order(self, record: Stored, before: int) -> None:
        """A cause whose clock is not before its effect's. A clock that is broken, a month ahead, is not followed."""
        if record.kind not in UNORDERED and (before >> COUNTER_BITS) - record.timestamp_ms < BOUND_MS:
            said = f"{record.name} has the hybrid clock {record.hlc}, and its cause {record.cause} has {before}, which is not before it"
            self.wrong(record, said)

    def place(self, record: Stored, cause: str) -> None:
        """A cause that is named by its place."""
        topic, _, rest = cause.partition(":")
        partition, _, offset = rest.partition(":")
        if not (partition.isdigit() and offset.isdigit()):
            self.wrong(record, f"{record.name} names {cause!r} as its cause, which is no place")
            return
        end = self.ends(topic, int(partition))
        if end is None or int(offset) >= end:
            ends = "no such topic or partition is there" if end is None else f"that partition ends at offset {end}"
            self.wrong(record, f"the cause of {record.name}, {cause}, is not in the log: {ends}")
        elif int(partition) == record.partition and int(offset) >= self.reached.get(topic, 0):
            self.early.setdefault(cause, record)
        else:
            self.last_place = cause

    def resolve(self, event_id: str, hlc: int) -> None:
        """A second reading found a record."""
        for record in self.unresolved.pop(event_id, ()):
            if hlc >= record.hlc:
                self.order(record, hlc)

    def end(self) -> None:
        """What a second reading did not find is not there."""
        for effects in () if self.partial else self.unresolved.values():
            for record in effects:
                self.wrong(record, f"the cause of {record.name}, event {record.cause}, is not in the log")
        for cause, record in self.early.items():
            self.wrong(
                record, f"the cause of {record.name}, {cause}, is not in the log: there is no record at that offset"
            )
