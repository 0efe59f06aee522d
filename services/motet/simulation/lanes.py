"""A lane as the simulator has it: what one service committed for another, and how it lies on the partition between them, repeats included.

`records` is the writer's outbox, `wire` the partition: numbers of records, in the order in which they were produced. Kafka neither loses nor
reorders what it has acknowledged; what goes wrong is that a writer produces again what it had produced before.
"""

from __future__ import annotations

from typing import Any, Final

from motet.simulation.violations import Violation

# As many as there are.
ALL: Final = 1_000_000


class Lane:
    """One lane, its writer's end and its reader's."""

    __slots__ = ("behind", "name", "offset", "published", "records", "repeats", "taken", "wire")

    def __init__(self, name: str) -> None:
        self.name = name
        self.records: list[Any] = []
        self.published = 0
        self.wire: list[int] = []
        # The reader's row: where it reads on, and the last number that it took.
        self.offset = 0
        self.taken = 0
        self.repeats = 0
        # How many records lie before the reader.
        self.behind = 0

    def commit(self, record: Any) -> None:
        """A record is in the outbox."""
        self.records.append(record)

    def publish(self) -> None:
        """What is in the outbox and not on the partition is produced."""
        size = len(self.records)
        if self.published < size:
            self.behind += size - self.published
            self.wire.extend(range(self.published + 1, size + 1))
            self.published = size

    def publish_again(self, count: int) -> None:
        """A writer that does not know how far it came produces the last records again, in their order."""
        size = len(self.records)
        again = range(max(1, self.published - count + 1), size + 1)
        self.wire.extend(again)
        self.behind += len(again)
        self.published = size

    def take(self, limit: int) -> list[Any]:
        """The next records, each once."""
        start, taken, records = self.offset, self.taken, self.records
        numbers = self.wire[start : start + limit]
        count = len(numbers)
        self.offset = start + count
        self.behind -= count
        if numbers == list(range(taken + 1, taken + 1 + count)):
            # Mostly the next ones lie there, each once.
            self.taken = taken + count
            return records[taken : taken + count]
        return [records[number - 1] for number in numbers if self.is_next(number)]

    def is_next(self, number: int) -> bool:
        """Whether a record is the one that is due. A repeat is not; a gap stops the lane loudly."""
        due = self.taken + 1
        if number == due:
            self.taken = number
            return True
        if number > due:
            raise Violation("P6", f"lane {self.name}: number {due} is due and {number} came")
        self.repeats += 1
        return False

    def place(self) -> tuple[int, int]:
        """The reader's row."""
        return self.offset, self.taken

    def back_to(self, place: tuple[int, int]) -> None:
        """The reader's transaction is rolled back."""
        self.offset, self.taken = place
        self.behind = len(self.wire) - self.offset

    def rewind(self, count: int) -> None:
        """The reader reads some records again."""
        self.offset = max(0, self.offset - count)
        self.behind = len(self.wire) - self.offset
