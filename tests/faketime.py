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

TESTS: Final = Path(__file__).resolve().parent
LIBRARY: Final = "usr/lib/*/faketime/libfaketimeMT.so.1"
PACKAGE: Final = "libfaketime"
# An hour and two days, forward and back.
JUMPS: Final = ("+2d", "-2d", "+0", "+1h", "-1h", "+2d", "-1h", "-2d", "+1h")
JUMP_SECONDS: Final = 0.15


def library() -> Path:
    """The library that is loaded before others."""
    found = next(iter(sorted(Path("/").glob(LIBRARY))), None)
    return found or debian.unpacked(PACKAGE, LIBRARY)


class Clock:
    """The clock of one process: what `set` says counts at once. Ticks go on as they do; no clock that is set wrong changes them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.set("+0")

    def set(self, offset: str) -> None:
        """By how much it is wrong from now on, such as +2d or -1h."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(f"{offset}\n")
        fresh.rename(self.path)

    def environment(self) -> dict[str, str]:
        """What a process is started with."""
        path = (TESTS / "clockwork", TESTS.parent / "services", TESTS / "integration")
        return {
            "PYTHONPATH": os.pathsep.join(map(str, path)),
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


@contextmanager
def jumping(clocks: list[Clock]) -> Iterator[None]:
    """Each clock jumps again and again, none when another does, and none to where another is."""
    over = threading.Event()

    def jump() -> None:
        for number in count():
            if over.wait(JUMP_SECONDS):
                return
            clocks[number % len(clocks)].set(JUMPS[number % len(JUMPS)])

    thread = threading.Thread(target=jump, name="jumping-clocks")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
