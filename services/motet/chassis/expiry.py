"""When to delete what is too old: a bounded number of rows at a time, now and then, and soon again while there are more.

Times are of the log, so that a shard that catches up forgets as it would have then. What is too old is told apart when it is read; when its
row goes changes no answer.
"""

from __future__ import annotations

from typing import Final

# A hop deletes at most so many rows of a table.
ROWS_AT_ONCE: Final = 2_000
IDLE_MILLISECONDS: Final = 2_000
BUSY_MILLISECONDS: Final = 100


class Expiry:
    """The deletes of one shard of one table."""

    def __init__(self) -> None:
        self.due_at = 0

    def due(self, now: int) -> bool:
        """Whether to delete some now, in milliseconds since 1970."""
        return now >= self.due_at

    def deleted(self, rows: int, now: int) -> None:
        """So many rows went."""
        self.due_at = now + (BUSY_MILLISECONDS if rows >= ROWS_AT_ONCE else IDLE_MILLISECONDS)
