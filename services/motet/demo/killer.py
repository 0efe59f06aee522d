"""Kills service processes with SIGKILL while work is going on, at places that a seed picks."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from motet.chassis.waiting import wait_until
from motet.platform import Platform

EARLIEST, LATEST = 0.05, 0.9
BACK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill: who, and after how many plans had ended."""

    service: str
    pid: int
    after_plans: int


class Killer:
    """Counts plans as they end, and kills when a picked count is reached. Called from any thread."""

    def __init__(
        self, platform: Platform, victims: Sequence[str], kills: int, plans: int, chance: random.Random
    ) -> None:
        self.platform = platform
        self.lock = threading.Lock()
        self.ended = 0
        self.done: list[Kill] = []
        moments = sorted(chance.randint(int(plans * EARLIEST), int(plans * LATEST)) for _ in range(kills))
        # Everybody in turn in a drawn order, so that few kills meet different services.
        order = list(victims)
        chance.shuffle(order)
        self.due = [(moment, order[number % len(order)]) for number, moment in enumerate(moments)]

    def plan_ended(self) -> None:
        """One more plan has ended."""
        with self.lock:
            self.ended += 1
            while self.due and self.due[0][0] <= self.ended:
                self.kill(self.due.pop(0)[1])

    def kill(self, service: str) -> None:
        """Kills a service's process; one that is just being started again is waited for."""
        wait_until(lambda: self.platform.pid(service) is not None, BACK_SECONDS, f"{service} runs again")
        pid = self.platform.pid(service)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            self.done.append(Kill(service, pid, self.ended))
