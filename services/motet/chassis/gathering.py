"""Lets records gather where nobody waits for what comes of them: a hop has a price, however few records it takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from motet.chassis.hop import MERGES


class Told(Protocol):
    """A fact on its way."""

    @property
    def topic(self) -> str:
        """The topic that it goes to."""


def waited_for(rows: Sequence[Told], taken: int, limit: int) -> bool:
    """Whether somebody may wait for what comes next: a hop told somebody something beside its journal, or more was there than it could take."""
    return taken >= limit or any(row.topic != MERGES for row in rows)


class Gathering:
    """Until when records gather: after a hop that told nobody anything, so many seconds at most."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.until = 0.0

    def hopped(self, rows: Sequence[Told], taken: int, limit: int) -> None:
        """A hop is done."""
        self.until = 0.0 if waited_for(rows, taken, limit) else time.monotonic() + self.seconds

    def wait(self, meanwhile: Callable[[float], None]) -> None:
        """Waits; `meanwhile` is called with the seconds that are left."""
        while (rest := self.until - time.monotonic()) > 0:
            meanwhile(rest)
