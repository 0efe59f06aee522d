"""A fault: what it is called, what it does, and how."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from motet.chaos.stage import Stage, pause


@dataclass(frozen=True, slots=True)
class Fault:
    """`act` does it for some seconds and says how often it did. Whatever it leaves behind `Stage.heal` takes back.

    `lacks` says what this machine lacks for it, if anything.
    """

    name: str
    about: str
    act: Callable[[Stage, Random, float], int]
    lacks: Callable[[Stage], str] = lambda _: ""


def now_and_then(chance: Random, seconds: float, least: float, most: float) -> Iterator[float]:
    """Moments within some seconds, `least` to `most` seconds between them; each is how many seconds are left then. The first is now."""
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        yield left
        pause(min(chance.uniform(least, most), ends - time.monotonic()))
