"""The model of the hop (`chassis/hop.py`): what is not committed is lost, what is committed is published again."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from motet.simulation.lanes import Lane


class Shard:
    """A shard of a service. What it decides, and what its rows are, is its own; how its hops go and die is here."""

    # So many of its inputs, the first ones, are doors: open to everybody, and read on where they were.
    doors = 0

    def __init__(self) -> None:
        self.inputs: tuple[Lane, ...] = ()
        self.outputs: tuple[Lane, ...] = ()
        # What follows of the hop that is under way.
        self.out: list[tuple[Lane, Any]] = []
        # A hop is decided that will be lost.
        self.doomed = False
        self.crashes = 0

    @abstractmethod
    def decide(self, lane: Lane, records: list[Any], now: int) -> None:
        """Gives records to the decider, one after the other."""

    @abstractmethod
    def written(self) -> Any:
        """Every row, as the last commit left them."""

    @abstractmethod
    def restore(self, rows: Any) -> None:
        """A new process has what the rows say."""

    @abstractmethod
    def fire(self, clock: int) -> int:
        """Timers that are due by this machine's clock become records. How many."""

    def take(self, lane: Lane, limit: int, now: int) -> int:
        """One hop: takes records of a lane, decides, commits, publishes. How many records it took."""
        records = lane.take(limit)
        self.decide(lane, records, now)
        self.commit()
        self.publish()
        return len(records)

    def commit(self) -> None:
        """What follows is in the outbox."""
        for lane, record in self.out:
            lane.records.append(record)
        self.out.clear()

    def publish(self) -> None:
        """The outbox goes to the partitions."""
        for lane in self.outputs:
            if lane.published != len(lane.records):
                lane.publish()

    def lose_hop(self, lane: Lane, limit: int, now: int) -> int:
        """A hop that is decided and dies before its commit: nothing of it is left."""
        rows, place = self.written(), lane.place()
        self.doomed = True
        records = lane.take(limit)
        self.decide(lane, records, now)
        self.doomed = False
        self.out.clear()
        lane.back_to(place)
        self.restore(rows)
        return len(records)

    def die_committed(self, lane: Lane, limit: int, now: int, again: int) -> int:
        """A hop that dies behind its commit: the next process publishes what it wrote, and some of what was published before."""
        records = lane.take(limit)
        self.decide(lane, records, now)
        self.commit()
        self.restart(again)
        return len(records)

    def restart(self, again: int) -> None:
        """The process ends and another one takes over: memory is read from the rows, the outbox is published from the watermark on."""
        self.restore(self.written())
        for lane in self.outputs:
            lane.publish_again(again)
        for lane in self.inputs[self.doors :]:
            lane.rewind(again)
