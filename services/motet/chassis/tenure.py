"""A shard that a process owns, while it does."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from motet.chassis.service import Handler
from motet.chassis.shard import Shard

# What is needed first is waited for so long: a log may end with what is no record, and then its end is never reached.
CATCH_UP_SECONDS: Final = 10.0


@dataclass(slots=True)
class Tenure:
    """A shard that this process owns, and its handler."""

    shard: Shard
    handler: Handler
    cautious: int = 0
    paused: frozenset[str] = frozenset()
    tidied_at: float = 0.0
    tidied_to: int = 0
    covered_to: int = 0
    # Where the inputs that are needed ended when the shard was claimed, and until when they are waited for, by the monotonic clock.
    needed: Mapping[str, int] = field(default_factory=dict)
    needed_by: float = field(default_factory=lambda: time.monotonic() + CATCH_UP_SECONDS)

    def holds(self) -> frozenset[str]:
        """The inputs that wait: those that the handler holds, and all others while something that is needed is not read."""
        if self.needed:
            missing = {topic for topic, end in self.needed.items() if self.shard.offsets[topic] < end}
            if missing and time.monotonic() < self.needed_by:
                return self.handler.holds() | (self.shard.offsets.keys() - missing)
            self.needed = {}
        return self.handler.holds()
