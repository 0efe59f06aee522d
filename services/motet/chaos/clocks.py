"""Clocks that are wrong: each service has one of its own, by libfaketime (Debian's package of that name), where that is there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

# Where it is, if not at its usual place.
VARIABLE: Final = "LIBFAKETIME"
USUAL: Final = "usr/lib/*/faketime/libfaketimeMT.so.1"
# An hour and two days, forward and back.
JUMPS: Final = ("+1h", "-1h", "+2d", "-2d")
RIGHT: Final = "+0"


def library() -> Path | None:
    """The library that is loaded before others; None if it is not there."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    return next(iter(sorted(Path("/").glob(USUAL))), None)


class Clock:
    """The clock of one process: what `set` says counts at once. Ticks go on as they do; no clock that is set wrong changes them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.set(RIGHT)

    def set(self, offset: str) -> None:
        """By how much it is wrong from now on, such as +2d or -1h."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(f"{offset}\n")
        fresh.rename(self.path)

    def environment(self, preload: Path) -> dict[str, str]:
        """What a process is started with. Its Python loads `clockwork/sitecustomize.py` first, which keeps Kafka's client apart."""
        before = os.environ.get("PYTHONPATH")
        return {
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent / "clockwork"), *([before] if before else [])]),
            "LD_PRELOAD": str(preload),
            "FAKETIME_TIMESTAMP_FILE": str(self.path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
