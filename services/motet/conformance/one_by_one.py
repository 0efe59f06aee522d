"""Runs a shard again whose service reads one topic, and so wrote down no batches but those with repairs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING

from motet.chassis.identity import derived_id
from motet.chassis.outbox import Row
from motet.chassis.repairs import DEAD_LETTERS
from motet.records import DeadLetter

if TYPE_CHECKING:
    from motet.conformance.rerun import ShardAgain


def one_by_one(again: ShardAgain) -> Iterator[Row]:
    """What it publishes: its records are taken one after the other, in their order, and what no input caused as soon as its cause was taken."""
    log, (topic,) = again.log, again.ordered
    offsets = {again.event_id(one.value): offset for (name, offset), one in log.inputs.items() if name == topic}
    waiting = sorted(offset for name, offset in log.inputs if name == topic)
    merges = {merged.meta.event_id: merged for merged in log.merges}
    # A dead letter is said as its record is read, before what follows from those that were read with it.
    letters = letters_of(again, topic)
    taken = 0
    while True:
        while taken < len(waiting) and waiting[taken] < again.shard.offsets[topic]:
            taken += 1
        due = derived_id(*again.place, again.shard.next_position)
        uncaused = log.exogenous.get(due)
        cause = -1 if uncaused is None else offsets.get(again.cause(uncaused[0]), -1)
        if due in merges:
            first = min((one.from_offset for one in merges[due].ranges if one.topic == topic), default=0)
            if taken < len(waiting) and waiting[taken] < first:
                # What is taken before it led to nothing.
                yield from again.hop([log.inputs[topic, waiting[taken]]])
            else:
                yield from again.merge(merges[due])
        elif (upto := bisect_right(waiting, letters.get(due, -1))) > taken:
            yield from again.hop([log.inputs[topic, offset] for offset in waiting[taken:upto]])
        elif uncaused is not None and (cause < again.shard.offsets[topic] or taken == len(waiting)):
            yield from again.hop([])
        elif taken < len(waiting):
            yield from again.hop([log.inputs[topic, waiting[taken]]])
        else:
            return


def letters_of(again: ShardAgain, topic: str) -> dict[str, int]:
    """The dead letters of a topic's records: the offset of each, by the letter's id."""
    found = {}
    for said in again.log.published.values():
        if said.topic == DEAD_LETTERS:
            record = again.rerun.codec.decode(said.value)
            if isinstance(record, DeadLetter) and record.topic == topic:
                found[record.meta.event_id] = record.offset
    return found
