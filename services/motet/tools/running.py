"""One attempt while it runs: what host and tool tell each other, from different threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, Literal

from motet.chassis.canonical import canonical_json
from motet.personal.sealing import Sealer
from motet.records import Amounts
from motet.tools.cost import Cost, micros_of
from motet.tools.failure import HEARTBEAT_LOST, TIMED_OUT

PROGRESS_BYTES: Final = 4_096
MILLISECONDS: Final = 1_000
UNWANTED: Final = "nobody wants the call any more"

Overdue = Literal["TIMED_OUT", "HEARTBEAT_LOST"]


class Running:
    """An attempt's limits, its heartbeats, what it spent, and whether it was told to stop. All of it from any thread.

    `seconds` is the attempt's limit and `heartbeat_seconds` how long it may say nothing, both None for no limit; they count from now, by
    the monotonic clock. `heard` gets each progress as canonical JSON, on the thread of the tool that says it. `sealer` opens and seals the
    call's personal values.
    """

    def __init__(
        self,
        seconds: float | None = None,
        heartbeat_seconds: float | None = None,
        heard: Callable[[str], None] = lambda _: None,
        sealer: Sealer | None = None,
    ) -> None:
        self.began = time.monotonic()
        self.seconds = seconds
        self.heartbeat_seconds = heartbeat_seconds
        self.sealer = Sealer(None, "") if sealer is None else sealer
        # When the tool said something last.
        self.beaten = self.began
        self._heard = heard
        self._progress = "null"
        self._lock = threading.RLock()
        self._stopped: str | None = None
        self._micros: Decimal | None = None
        self._tokens: int | None = None

    # -- the host's side ---------------------------------------------------------------------------------------------------

    def stop(self, reason: str = UNWANTED) -> None:
        """Tells the tool that nobody wants the call any more; the first reason stays."""
        with self._lock:
            if self._stopped is None:
                self._stopped = reason

    def overdue(self) -> Overdue | None:
        """TIMED_OUT, HEARTBEAT_LOST, or None while it may go on."""
        now = time.monotonic()
        if self.seconds is not None and now > self.began + self.seconds:
            return TIMED_OUT
        if self.heartbeat_seconds is not None and now > self.beaten + self.heartbeat_seconds:
            return HEARTBEAT_LOST
        return None

    @property
    def milliseconds(self) -> int:
        """How long it has run."""
        return int((time.monotonic() - self.began) * MILLISECONDS)

    @property
    def spent(self) -> Amounts | None:
        """What the tool said that it took; None if it said nothing, and None for each amount of which it said nothing."""
        with self._lock:
            if self._micros is None and self._tokens is None:
                return None
            return Amounts(None, None if self._micros is None else round(self._micros), self._tokens, None)

    # -- the tool's side ---------------------------------------------------------------------------------------------------

    @property
    def stopped(self) -> str | None:
        """Why it was told to stop; None while it may go on."""
        return self._stopped

    def seconds_left(self) -> float | None:
        """Until the attempt's limit, 0 beyond it; None if it has none."""
        return None if self.seconds is None else max(0.0, self.began + self.seconds - time.monotonic())

    def beat(self, progress: Any = None) -> None:
        """Says that it is alive, and how far it is: JSON of at most 4 KiB; None for as far as it said before.

        Raises ValueError for progress that no record could carry.
        """
        text = None if progress is None else canonical_json(self.sealer.without(progress))
        size = 0 if text is None else len(text.encode())
        if size > PROGRESS_BYTES:
            raise ValueError(
                f"progress of {size} bytes; the limit is {PROGRESS_BYTES}: say less, or say it in the result"
            )
        with self._lock:
            self._progress = text or self._progress
            self._heard(self._progress)
            # Last: who sees the beat finds its progress there.
            self.beaten = time.monotonic()

    def spend(self, cost: Cost | None = None, tokens: int | None = None) -> None:
        """Adds to what the attempt took; `cost` in the tenant's currency. Raises ValueError for less than nothing."""
        if tokens is not None and (isinstance(tokens, bool) or not isinstance(tokens, int) or tokens < 0):
            raise ValueError(f"tokens {tokens!r} is not an integer of 0 or more")
        micros = None if cost is None else micros_of(cost)
        with self._lock:
            if micros is not None:
                self._micros = (self._micros or Decimal(0)) + micros
            if tokens is not None:
                self._tokens = (self._tokens or 0) + tokens
