"""One attempt outside the transaction, as its two threads see it: the loop's, and the pool's that runs it.

    WAITING ──▶ RUNNING ──▶ OVER
       │  ▲        └──────▶ GIVEN_UP
       │  └─ DROPPED ◀─┐
       └──▶ OVER ──────┘  (WAITING ──▶ DROPPED: its handler closed)

Each step is taken under the attempt's lock, so that whichever thread comes first decides, and an attempt has one end. One that was given
up may have another: its thread comes back after all, and what it then knows is told as well, late.
"""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass, field
from typing import Literal

from motet.records import FinishedCall, Invocation, InvokeCalls
from motet.tools.ending import tells
from motet.tools.running import Running
from motet.tools.tool import Tool

State = Literal["WAITING", "RUNNING", "OVER", "GIVEN_UP", "DROPPED"]


@dataclass(slots=True, eq=False)
class Work:
    """An attempt. `ended` gets its end; it begins before `begin_by`, by the monotonic clock, or never.

    Until `lease_milliseconds` after its intent was written, or prolonged, nobody else acts on it.
    """

    source: InvokeCalls
    call: Invocation
    tool: Tool
    token: int
    value: bytes
    received_at: int
    lease_milliseconds: int
    begin_by: float
    ended: queue.SimpleQueue[tuple[Work, FinishedCall]]
    # A former owner may have begun it: that it does not begin here says nothing of its effect.
    again: bool = False
    state: State = "WAITING"
    # Its first end; the late one of an attempt that was given up is no part of it.
    end: FinishedCall | None = None
    running: Running | None = None
    # What it said last, and until when that was passed on.
    progress: str | None = None
    said_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def place(self) -> tuple[str, int]:
        """Plan and call."""
        return (self.source.plan_id, self.call.index)

    # -- on a pool's thread ------------------------------------------------------------------------------------------------

    def begin(self, running: Running) -> bool:
        """It runs from here on, unless it was ended before or should have begun long ago."""
        with self.lock:
            if self.state != "WAITING" or self.late:
                return False
            self.state, self.running = "RUNNING", running
            return True

    def finish(self, end: FinishedCall) -> bool:
        """It came back; False if it had been given up, so that its end is told only if it says more than that."""
        with self.lock:
            if self.state == "GIVEN_UP":
                if tells(end):
                    self.ended.put((self, end))
                return False
            self._over("OVER", end)
            return True

    def heard(self, progress: str) -> None:
        """The tool says how far it is."""
        self.progress = progress

    # -- on the loop's thread ----------------------------------------------------------------------------------------------

    @property
    def late(self) -> bool:
        """Whether it is too late to begin."""
        return time.monotonic() > self.begin_by

    def never(self, end: FinishedCall) -> bool:
        """Ends one that waits; False if it waits no more."""
        with self.lock:
            if self.state != "WAITING":
                return False
            self._over("OVER", end)
            return True

    def give_up(self, end: FinishedCall) -> bool:
        """Ends one that runs, whose thread nobody waits for any more; False if it came back meanwhile."""
        with self.lock:
            if self.state != "RUNNING" or self.running is None:
                return False
            self.running.stop()
            self._over("GIVEN_UP", end)
            return True

    def stop(self, end: FinishedCall) -> None:
        """Nobody wants it: it never begins, or is told."""
        if not self.never(end) and self.running is not None:
            self.running.stop()

    def drop(self) -> None:
        """Its handler closes: what waits does not begin."""
        with self.lock:
            if self.state == "WAITING":
                self.state = "DROPPED"

    def adopt(self, ended: queue.SimpleQueue[tuple[Work, FinishedCall]], *, untold: bool) -> bool:
        """Another handler of this process goes on with it. An end that is `untold`, or in a queue of the former's own, is told again.

        Returns whether it is to be given to a thread again.
        """
        with self.lock:
            if self.end is not None and (untold or ended is not self.ended):
                ended.put((self, self.end))
            self.ended = ended
            if self.state == "DROPPED":
                self.state = "WAITING"
                return True
            return False

    def _over(self, state: State, end: FinishedCall) -> None:
        self.state, self.end = state, end
        self.ended.put((self, end))
