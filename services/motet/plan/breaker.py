"""A tool's circuit breaker, pure (Nygard, "Release It!"): a dead dependency becomes quick, honest failures.

Closed, attempts are sent. After so many failed ones in a row it opens: calls fail at once. When its time is over it is half open: one call is
sent to see; its end closes or opens it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from motet.records import BreakerState, ToolContract

# What an attempt's end says about the tool: it answered; it failed in a way that another attempt may not; nothing, because it was stopped.
Sign = Literal["ALIVE", "DEAD", ""]


@dataclass(slots=True)
class Breaker:
    """One tool's. `until` is in milliseconds since 1970, by the log; `probe` is the call that was sent to see."""

    failures: int = 0
    until: int = 0
    probe: str = ""

    @property
    def state(self) -> BreakerState:
        """Its state."""
        if not self.until:
            return "CLOSED"
        return "HALF_OPEN" if self.probe else "OPEN"

    def lets_pass(self, member: str, now: int) -> bool:
        """Whether an attempt may be sent; the first one after the time is over becomes the probe."""
        if not self.until:
            return True
        if self.probe or now < self.until:
            return self.probe == member
        self.probe = member
        return True

    def ended(self, contract: ToolContract, member: str, now: int, sign: Sign) -> None:
        """An attempt ended."""
        if sign == "ALIVE":
            self.failures, self.until, self.probe = 0, 0, ""
        elif sign == "DEAD":
            self.count(contract, member, now)
        elif self.probe == member:
            # The next call is sent to see.
            self.probe = ""

    def count(self, contract: ToolContract, member: str, now: int) -> None:
        """One more failed in a row."""
        self.failures += 1
        if self.probe == member or (not self.until and self.failures >= contract.breaker_failures):
            self.until, self.probe = now + int(contract.breaker_reset_seconds * 1_000), ""
