"""The log's time: when Kafka appended the last record, carried on by this machine's own ticks until the next one.

No service asks its machine what time it is: clocks of machines jump, and what they say must not decide. A shard that has heard nothing yet
begins at PostgreSQL's time, which all owners share. What is measured here is only recorded, or says when a timer is worth firing; whether
something is due, the time decides that Kafka gives the timer's record.
"""

from __future__ import annotations

import time
from typing import Final

NANOSECONDS: Final = 1_000_000


class LogClock:
    """Milliseconds since 1970."""

    def __init__(self, begins_at: int = 0) -> None:
        self.base = begins_at
        self.seen = time.monotonic_ns()

    def heard(self, timestamp_ms: int) -> None:
        """A record was appended at that time."""
        self.base = timestamp_ms
        self.seen = time.monotonic_ns()

    def now(self) -> int:
        """The time since the last record, on top of its own."""
        return self.base + (time.monotonic_ns() - self.seen) // NANOSECONDS
