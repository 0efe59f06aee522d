"""The log's time, carried on by this machine's own ticks between one record and the next.

It says only when a timer is worth firing. Whether something is due is decided by the time that Kafka gives the timer's record: a machine
whose clock is wrong fires early or late, and decides nothing.
"""

from __future__ import annotations

import time

NANOSECONDS = 1_000_000


class LogClock:
    """Milliseconds since 1970."""

    def __init__(self) -> None:
        self.base = time.time_ns() // NANOSECONDS
        self.seen = time.monotonic_ns()

    def heard(self, timestamp_ms: int) -> None:
        """A record was appended at that time."""
        self.base = timestamp_ms
        self.seen = time.monotonic_ns()

    def now(self) -> int:
        """The time since the last record, on top of its own."""
        return self.base + (time.monotonic_ns() - self.seen) // NANOSECONDS
