"""What projections are built from anew: the topics from their first records on, as the hop takes them, without what it gave up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import psycopg

from motet.archive import opened, schemas_of
from motet.chassis.codec import Codec
from motet.chassis.registry import Registry
from motet.chassis.repairs import DEAD_LETTERS
from motet.chassis.replay import Replay
from motet.chassis.service import Received
from motet.chassis.settings import Settings
from motet.projector.changes import Changes
from motet.projector.fold import fold
from motet.projector.handler import LINKING, NAME, TOPICS, unread
from motet.projector.letters import Letters
from motet.projector.writer import Writer

Ends = dict[tuple[str, int], int]
# Records that are folded together, and written in one transaction. The tables are the same with any other number.
BATCH: Final = 5_000
# Open plans whose rows are kept back, so that they are written once, as they ended.
HELD: Final = 5_000


class Source:
    """The records of the projections. `leave_out` comes first; `fill` may be called again with later ends."""

    def __init__(self, settings: Settings, batch: int = BATCH) -> None:
        self.batch = batch
        self.registry = Registry(settings.schema_registry_url)
        codec = Codec(schemas_of(settings, self.registry))
        self.replay = Replay(opened(settings), codec, TOPICS, frozenset(LINKING), unread)
        self.letters = Replay(opened(settings), codec, (DEAD_LETTERS,))
        self.kept = Changes()

    @property
    def records(self) -> int:
        """How many were read."""
        return self.replay.records

    def leave_out(self, ends: Ends) -> None:
        """What the live tables are without, the new ones are to be without too: the projector's own dead letters."""
        found = Letters(NAME)
        for batch in self.letters.advance({place: end for place, end in ends.items() if place[0] == DEAD_LETTERS}):
            found.take(received.record for received in batch)
        self.replay.waiting, self.replay.discarded = found.waiting(), found.discarded

    def fill(
        self, connection: psycopg.Connection[object], writer: Writer, ends: Ends, report: Callable[[int, int], None]
    ) -> None:
        """Reads and writes up to the ends. Raises LogUnreadable, LaneBroken."""
        total = sum(ends.values())
        for batch in self.batches(ends):
            with connection.transaction():
                self.write(writer, batch, HELD)
            report(sum(self.replay.reached.values()), total)
        with connection.transaction():
            self.write(writer, [], 0)

    def batches(self, ends: Ends) -> Iterator[list[Received]]:
        """The records in batches that are full, but for the last one: what came at once may be little, or more."""
        pending: list[Received] = []
        for some in self.replay.advance(ends):
            pending += some
            full = len(pending) - len(pending) % self.batch
            for start in range(0, full, self.batch):
                yield pending[start : start + self.batch]
            del pending[:full]
        if pending:
            yield pending

    def write(self, writer: Writer, batch: list[Received], held: int) -> None:
        """A batch, but for what is kept back; with nothing to be held, all of that."""
        due, self.kept = fold(batch, self.kept).parted(held)
        writer.write(due)

    def close(self) -> None:
        """Ends the readers."""
        self.replay.close()
        self.letters.close()
        self.registry.close()
