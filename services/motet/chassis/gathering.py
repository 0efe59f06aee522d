"""Lets records wait for others where nobody waits for what comes of them: a hop has a price, however few records it takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from motet.chassis.message import Message


class Gathering:
    """Records that were read, until they are taken: all at once, in the order in which they came.

    They wait for `seconds` after the first of them, for `limit` records, or until there is one that somebody waits for.
    """

    def __init__(self, seconds: float, limit: int, awaited: Callable[[Message], bool]) -> None:
        self.seconds, self.limit, self.awaited = seconds, limit, awaited
        self.held: dict[int, list[Message]] = defaultdict(list)
        self.count = 0
        self.due = 0.0

    def add(self, messages: Iterable[Message], now: float) -> None:
        """Records that were read just now, by the monotonic clock."""
        for message in messages:
            if not self.count:
                self.due = now + self.seconds
            self.held[message.partition].append(message)
            self.count += 1
            if now < self.due and self.awaited(message):
                self.due = now

    def left(self, now: float) -> float:
        """The seconds until they are taken, 0 if that is due; infinite where there are none."""
        if not self.count:
            return float("inf")
        return 0.0 if self.count >= self.limit else max(0.0, self.due - now)

    def take(self, now: float) -> dict[int, list[Message]]:
        """By shard, if it is time; else none."""
        if self.left(now) > 0:
            return {}
        taken, self.held, self.count = self.held, defaultdict(list), 0
        return taken

    def forget(self, shard: int) -> None:
        """A shard is let go; who has it next reads its records again."""
        self.count -= len(self.held.pop(shard, ()))
