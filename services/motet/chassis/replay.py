"""Reads topics again from the first offset, as the hop would take them: lanes checked, repeats dropped, records decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from motet.chassis import lanes
from motet.chassis.codec import Codec
from motet.chassis.errors import Undecodable
from motet.chassis.log_reader import OpenLog
from motet.chassis.message import Message
from motet.chassis.provision import catalog
from motet.chassis.repairs import UNORDERED
from motet.chassis.service import Received
from motet.records import Command


def whole(topic: str) -> tuple[str, ...]:
    """Nothing of a record is left out."""
    _ = topic
    return ()


class Replay:
    """All partitions of some topics, from the beginning. `advance` may be called again with later ends."""

    def __init__(
        self,
        log: OpenLog,
        codec: Codec,
        topics: Sequence[str],
        unordered: frozenset[str] = frozenset(),
        without: Callable[[str], tuple[str, ...]] = whole,
    ) -> None:
        self.codec = codec
        self.without = {topic: without(topic) for topic in topics}
        # Topics of which nothing waits behind what could not be handled.
        self.unordered = UNORDERED | unordered
        self.reached = {(topic, number): 0 for topic in topics for number in range(catalog()[0])}
        self.lanes: dict[tuple[str, int, str, int], lanes.Place] = {}
        self.parked: set[tuple[int, bytes]] = set()
        # Places whose records the hop gave up: some behind which later records of their key wait, and some that are simply not there.
        self.waiting: dict[tuple[str, int, int], bool] = {}
        self.discarded: set[tuple[str, int, int]] = set()
        self.records = 0
        self.log = log

    def advance(self, ends: dict[tuple[str, int], int]) -> Iterator[list[Received]]:
        """Records up to the ends given (the first offset not wanted, by topic and partition), in batches.

        Each partition stops at its end exactly: what lies behind is read by the next `advance`. Raises LogUnreadable, LaneBroken.
        """
        due = {place: (self.reached[place], end) for place, end in ends.items() if self.reached[place] < end}
        for messages in self.log.read(due):
            batch = []
            for message in messages:
                self.reached[message.topic, message.partition] = message.offset + 1
                received = self.read(message)
                if received is not None:
                    batch.append(received)
            self.records += len(batch)
            yield batch
        self.reached.update((place, end) for place, (_, end) in due.items())

    def read(self, message: Message) -> Received | None:
        """A message as the hop takes it: None for what the hop drops, parks or gives up."""
        key = message.key or b""
        stamp = lanes.stamp_of(message.headers)
        if stamp is None:
            return None
        lane = (message.topic, message.partition, stamp.service, stamp.shard)
        after = lanes.receive(self.lanes.get(lane, lanes.BEFORE), stamp, key, message.value or b"", message.where)
        if after == "repeat":
            return None
        self.lanes[lane] = after
        place = (message.topic, message.partition, message.offset)
        if self.given_up(place, (message.partition, key)):
            return None
        try:
            record = self.codec.decode(message.value, self.without[message.topic])
        except Undecodable:
            if message.topic not in self.unordered:
                self.parked.add((message.partition, key))
            return None
        if isinstance(record, Command):
            return None
        at, cause = message.timestamp_ms, record.meta.event_id
        return Received(*place, key, message.value or b"", at, record, cause, message.headers)

    def given_up(self, place: tuple[str, int, int], key: tuple[int, bytes]) -> bool:
        """Whether the hop is without a record: it was given up, or waits behind one that was."""
        if self.waiting.get(place, False):
            self.parked.add(key)
        waits = key in self.parked and place[0] not in self.unordered
        return waits or place in self.waiting or place in self.discarded

    def close(self) -> None:
        """Ends the reader."""
        self.log.close()
