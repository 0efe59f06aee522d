"""Clocks that are wrong and jump, one process at a time: by Debian's libfaketime."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final

import debian
from motet.chaos import clocks
from motet.chaos.clocks import RIGHT, Clock

TESTS: Final = Path(__file__).resolve().parent
PACKAGE: Final = "libfaketime"
# No two clocks jump to the same place at once: nine jumps, and another number of clocks.
JUMPS: Final = ("+2d", "-2d", RIGHT, "+1h", "-1h", "+2d", "-1h", "-2d", "+1h")
JUMP_SECONDS: Final = 0.15


def library() -> Path:
    """The library that is loaded before others."""
    return clocks.library() or debian.unpacked(PACKAGE, clocks.USUAL)


def environment(clock: Clock) -> dict[str, str]:
    """What a process of a test is started with."""
    found = clock.environment(library())
    path = (found["PYTHONPATH"].partition(os.pathsep)[0], TESTS.parent / "services", TESTS / "integration")
    return {**found, "PYTHONPATH": os.pathsep.join(map(str, path))}


@contextmanager
def jumping(those: list[Clock]) -> Iterator[None]:
    """Each clock jumps again and again, none when another does, and none to where another is."""
    over = threading.Event()

    def jump() -> None:
        for number in count():
            if over.wait(JUMP_SECONDS):
                return
            those[number % len(those)].set(JUMPS[number % len(JUMPS)])

    thread = threading.Thread(target=jump, name="jumping-clocks")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
