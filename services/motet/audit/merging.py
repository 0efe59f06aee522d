"""Puts one partition number's topics in order of time, with a bounded number of records of each in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from heapq import heapify, heappop, heapreplace
from typing import TYPE_CHECKING, Final

from motet.chassis.message import Message

if TYPE_CHECKING:
    from motet.chassis.log_reader import Log
    from motet.chassis.offsets import Place

# Records of a topic that are read ahead at a time.
AHEAD: Final = 4_000


class Merge:
    """The records of some places as one stream: each place's in its own order, and among places by their times."""

    def __init__(
        self, log: Log, ranges: Mapping[Place, tuple[int, int]], rank: Callable[[str], int], ahead: int = AHEAD
    ) -> None:
        self.log = log
        self.ahead = ahead
        self.left = {place: bounds for place, bounds in ranges.items() if bounds[0] < bounds[1]}
        self.ranks = {place: rank(place[0]) for place in self.left}
        self.waiting: dict[Place, deque[Message]] = {place: deque() for place in self.left}

    def __iter__(self) -> Iterator[Message]:
        """The records."""
        self.fill(self.waiting)
        heap = [(found[0].timestamp_ms, self.ranks[place], place) for place, found in self.waiting.items() if found]
        heapify(heap)
        while heap:
            place = heap[0][2]
            found = self.waiting[place]
            yield found.popleft()
            if not found and place in self.left:
                # Others that will soon be empty are filled with it: each reading costs some time.
                self.fill({one: rest for one, rest in self.waiting.items() if len(rest) <= self.ahead // 4})
            if found:
                # A partition's own order stands, also where its times go back.
                time = max(heap[0][0], found[0].timestamp_ms)
                heapreplace(heap, (time, self.ranks[place], place))
            else:
                heappop(heap)

    def fill(self, places: Mapping[Place, deque[Message]]) -> None:
        """Reads on where there is more."""
        wanted = {}
        for place in places:
            start, end = self.left.pop(place, (0, 0))
            if start < end:
                upto = min(end, start + self.ahead)
                wanted[place] = start, upto
                if upto < end:
                    self.left[place] = upto, end
        for batch in self.log.read(wanted) if wanted else ():
            for message in batch:
                self.waiting[message.topic, message.partition].append(message)
        for place in wanted:
            if not self.waiting[place] and place in self.left:
                # Compaction or aborted transactions left nothing in this part of it.
                self.fill({place: self.waiting[place]})
