"""Makes the next checkpoint: reads what the log has since the one before, and signs.

One checkpoint takes a bounded number of records, so that making it takes a bounded time and what is kept beside it a bounded room. Where more is
there the next one follows at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from motet.chassis.errors import Refused
from motet.chassis.log_reader import Bounds, Log
from motet.checkpoints.proving import records_of, refuse_other
from motet.proofs import leaves
from motet.proofs.checkpoint import Checkpoint, Place
from motet.proofs.entry import Entry
from motet.proofs.growth import DoesNotFit, Growth
from motet.proofs.leaves import Grown
from motet.proofs.merkle import Tree
from motet.proofs.note import PrivateKey

# The checkpoints themselves are held by their own chain.
CHECKPOINTS: Final = "motet.checkpoints"


class LogWentBack(Refused):
    """The log has less than a checkpoint says: to sign what is there now would cover it up."""


@dataclass(frozen=True, slots=True)
class Made:
    """A checkpoint that was just signed. `added` are the records that it has more, `more` says that the log has others still."""

    checkpoint: Checkpoint
    note: str
    beside: bytes
    added: int
    more: bool


def covered(reader: Log) -> tuple[str, list[Place]]:
    """The cluster, and the partitions of which there are trees."""
    cluster, places = reader.places()
    return cluster, [place for place in places if place[0] != CHECKPOINTS]


def refuse_loss(growth: Growth, bounds: Mapping[Place, Bounds]) -> None:
    """Raises LogWentBack where a partition does not have what comes next, or has less than it had."""
    for (topic, partition), offset in growth.next_offsets.items():
        found = bounds.get((topic, partition))
        if found is None or not found.begin <= offset <= found.end:
            has = "it is not there" if found is None else f"it has offsets {found.begin} to {found.end - 1}"
            number = growth.before.number if growth.before else 0
            raise LogWentBack(
                f"{topic}, partition {partition}: checkpoint {number} ends before offset {offset}, and {has}. Nothing is signed over that: "
                "`motet checkpoint verify` says what happened"
            )


def make(
    reader: Log,
    key: PrivateKey,
    before: Checkpoint | None,
    beside: Mapping[Place, Grown],
    *,
    epoch: int,
    time_ms: int,
    limit: int,
) -> Made | None:
    """The next checkpoint; None if nothing is new. Raises LogWentBack, LogUnreadable, and DoesNotFit for what is kept beside."""
    growth = Growth.after(before, beside)
    cluster, places = covered(reader)
    bounds = reader.bounds(places)
    refuse_loss(growth, bounds)
    starts = {place: growth.next_offsets.get(place, one.begin) for place, one in bounds.items()}
    ends = shares(starts, bounds, limit)
    more = any(ends[place] < one.end for place, one in bounds.items())
    latest = before.time_ms if before else 0
    for batch in reader.read({place: (start, ends[place]) for place, start in starts.items()}):
        for message in batch:
            growth.take((message.topic, message.partition), Entry.of(message))
            latest = max(latest, message.timestamp_ms)
    if not growth.count and not more:
        return None
    for place, end in ends.items():
        if end > starts[place]:
            growth.reach(place, end)
    made = growth.checkpoint(cluster, epoch, max(time_ms, latest))
    return Made(made, key.sign(made.text), leaves.pack(growth.leaves()), growth.count, more)


def shares(starts: Mapping[Place, int], bounds: Mapping[Place, Bounds], limit: int) -> dict[Place, int]:
    """How far each partition is read: all of it, or an equal part of the limit where more is there than that."""
    ends, left = {}, limit
    due = sorted((one.end - starts[place], place) for place, one in bounds.items())
    for at, (behind, place) in enumerate(due):
        share = min(behind, left // (len(due) - at))
        ends[place] = starts[place] + share
        left -= share
    return ends


def beside_of(reader: Log, before: Checkpoint | None, kept: Mapping[Place, Grown] | None) -> Mapping[Place, Grown]:
    """What is kept beside a checkpoint; where it was lost, or does not come to the roots, made again from the log. Raises Refused."""
    try:
        Growth.after(before, kept or {})
    except DoesNotFit:
        return {} if before is None else rebuilt(reader, before)
    return kept or {}


def rebuilt(reader: Log, before: Checkpoint) -> dict[Place, Grown]:
    """What is kept beside a checkpoint, made again from the log where it was lost. Raises Refused if the log does not come to the roots."""
    heads = before.by_place()
    trees = {place: Tree() for place in heads}
    growth = Growth(before, next_offsets={place: head.next_offset for place, head in heads.items()})
    refuse_loss(growth, reader.bounds(heads))
    for message in records_of(reader, heads):
        trees[message.topic, message.partition].append(Entry.of(message).leaf)
    for place, head in heads.items():
        refuse_other(trees[place], head, before.number)
    return {place: Grown(tuple(tree.frontier), ()) for place, tree in trees.items()}
