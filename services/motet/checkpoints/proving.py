"""Shows that a record is in a checkpoint, or that one checkpoint is the beginning of another, to somebody who has the notes and not the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from motet.chassis.errors import ConfigurationError, Refused
from motet.chassis.log_reader import Log
from motet.chassis.message import Message
from motet.proofs.checkpoint import Checkpoint, Head, Place
from motet.proofs.entry import Entry
from motet.proofs.merkle import Tree
from motet.proofs.paths import (
    Range,
    consistency_ranges,
    hashes_of,
    inclusion_ranges,
    is_beginning,
    is_included,
    nodes_of,
)


@dataclass(frozen=True, slots=True)
class Proved:
    """A record, its place in a tree, and the hashes beside its way to the root."""

    message: Message
    index: int
    size: int
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Grew:
    """That one tree is the beginning of another."""

    old: Head
    new: Head
    proof: tuple[bytes, ...]


@dataclass(slots=True)
class Growing:
    """A tree while the log is read once; what is wanted of it is kept on the way."""

    head: Head
    tree: Tree
    found: list[tuple[Message, int, list[Range]]]


def include(reader: Log, checkpoint: Checkpoint, places: set[Place], wanted: Callable[[Message], bool]) -> list[Proved]:
    """The records that are wanted, each with its proof. Raises Refused if the log does not come to the checkpoint's roots."""
    growing = {head.place: Growing(head, Tree(), []) for head in checkpoint.heads if head.place in places}
    for message in records_of(reader, {place: one.head for place, one in growing.items()}):
        one = growing[message.topic, message.partition]
        if one.tree.size < one.head.size and wanted(message):
            ranges = inclusion_ranges(one.tree.size, one.head.size)
            one.tree.want(nodes_of(ranges))
            one.found.append((message, one.tree.size, ranges))
        one.tree.append(Entry.of(message).leaf)
    out = []
    for one in growing.values():
        refuse_other(one.tree, one.head, checkpoint.number)
        for message, index, ranges in one.found:
            proof = tuple(hashes_of(ranges, one.tree.found))
            if not is_included(Entry.of(message).leaf, index, one.head.size, proof, one.head.root):
                raise Refused(f"{message.where}: its proof does not fit; this must not happen")
            out.append(Proved(message, index, one.head.size, proof))
    return out


def beginning(reader: Log, old: Checkpoint, new: Checkpoint) -> list[Grew]:
    """For each tree of the old checkpoint the proof that it is the beginning of the new one's. Raises Refused if one is not."""
    heads = new.by_place()
    for head in old.heads:
        if head.place not in heads or heads[head.place].size < head.size:
            raise Refused(
                f"checkpoint {new.number} has less of {head.topic}:{head.partition} than checkpoint {old.number}"
            )
    ranges = {head.place: consistency_ranges(head.size, heads[head.place].size) for head in old.heads}
    trees = {place: Tree() for place in ranges}
    for place, tree in trees.items():
        tree.want(nodes_of(ranges[place]))
    for message in records_of(reader, {place: heads[place] for place in trees}):
        trees[message.topic, message.partition].append(Entry.of(message).leaf)
    out = []
    for head in old.heads:
        tree, now = trees[head.place], heads[head.place]
        refuse_other(tree, now, new.number)
        proof = tuple(hashes_of(ranges[head.place], tree.found))
        if not is_beginning(head.size, now.size, proof, head.root, now.root):
            raise Refused(
                f"{head.topic}:{head.partition} of checkpoint {old.number} is no beginning of that of checkpoint {new.number}"
            )
        out.append(Grew(head, now, proof))
    return out


def records_of(reader: Log, heads: Mapping[Place, Head]) -> Iterator[Message]:
    """Everything that trees have, from the log. Raises Refused where the log has less."""
    bounds = reader.bounds(heads)
    for (topic, partition), head in heads.items():
        if bounds[head.place].end < head.next_offset:
            raise Refused(
                f"{topic}, partition {partition} ends before the checkpoint does: `motet checkpoint verify` says what happened"
            )
    for batch in reader.read({place: (bounds[place].begin, head.next_offset) for place, head in heads.items()}):
        yield from batch


def refuse_other(tree: Tree, head: Head, number: int) -> None:
    """Raises Refused if the log does not come to a signed root."""
    if (tree.size, tree.root) != (head.size, head.root):
        raise Refused(
            f"{head.topic}, partition {head.partition} is not what checkpoint {number} has: `motet checkpoint verify` says what happened"
        )


def newest_with(checkpoints: Mapping[int, Checkpoint], place: Place, offset: int) -> Checkpoint:
    """The newest checkpoint that has a record. Raises ConfigurationError if none has."""
    for number in sorted(checkpoints, reverse=True):
        head = checkpoints[number].by_place().get(place)
        if head is not None and offset < head.next_offset:
            return checkpoints[number]
    raise ConfigurationError(
        f"no checkpoint has {place[0]}:{place[1]}:{offset} yet: `motet checkpoint create` makes one, or wait for the service's next"
    )
