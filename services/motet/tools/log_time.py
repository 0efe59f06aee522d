"""The log's time as one shard knows it, and whether an invocation comes too late by it.

No clock of this machine decides: it only carries on from the last record that was read, and never runs ahead of the log. Two durations are
compared, each taken by one clock: how long the coordinator gave the call when it sent the invocation, and how long the invocation has
been in its topic.
"""

from __future__ import annotations

import time
from typing import Final

from motet.chassis.service import Received
from motet.records import Invocation, InvokeCalls, StopCalls

NANOSECONDS: Final = 1_000_000


class LogTime:
    """Milliseconds since 1970 by the clock of the invocations' topic."""

    def __init__(self) -> None:
        self.offset = -1
        self.base = 0
        self.seen = 0

    def heard(self, received: Received) -> None:
        """A record was read. One that comes back from the dead letters says nothing of now."""
        if isinstance(received.record, InvokeCalls | StopCalls) and received.offset > self.offset:
            self.offset, self.base, self.seen = received.offset, received.timestamp_ms, time.monotonic_ns()

    def now(self) -> int:
        """The time of the last record, and what has passed since it was read."""
        return self.base + (time.monotonic_ns() - self.seen) // NANOSECONDS

    def too_late(self, received: Received, call: Invocation) -> bool:
        """Whether a call waited in its topic for longer than it had."""
        if call.deadline_at is None:
            return False
        sent: InvokeCalls = received.record
        return self.now() - received.timestamp_ms > call.deadline_at - sent.meta.recorded_at
