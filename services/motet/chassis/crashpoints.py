"""Labelled places at which a test may kill the process, as a power cut would.

`MOTET_CRASH_AT=label:3` kills it with SIGKILL the third time that it reaches the label. `MOTET_CRASH_REPORT` names a file that
gets a line before the kill, so that a test can prove that the point was hit.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

POINTS = (
    "batch-polled",  # records are in memory, nothing is written
    "rows-moved",  # the shard's rows are moved inside an open transaction
    "decided",  # states and outbox are written, COMMIT is not sent
    "committed",  # COMMIT answered, nothing is produced
    "produced",  # records are with the producer, none of them surely acknowledged
    "acknowledged",  # the broker has all, the group's offset is not committed
    "offset-committed",  # the group's offset is committed, rows are not deleted
    "claimed",  # a new owner took the shard's row, nothing is published again yet
    "republished",  # a new owner published again what the group did not cover
    "effect-started",  # a tool is about to run outside the transaction
    "effect-done",  # a tool ran outside the transaction, its result is in memory only
)


def nothing(label: str) -> None:
    """Without MOTET_CRASH_AT a crash point does nothing."""


def armed(at: str, report: str | None) -> Callable[[str], None]:
    """A function that kills the process at the n-th hit of a label."""
    label, _, count = at.partition(":")
    if label not in POINTS:
        raise ValueError(f"MOTET_CRASH_AT={at!r}: the labels are {', '.join(POINTS)}")
    left = int(count or "1")

    def reach(reached: str) -> None:
        nonlocal left
        if reached != label:
            return
        left -= 1
        if left == 0:
            if report:
                with Path(report).open("a") as file:
                    file.write(f"{at}\n")
            os.kill(os.getpid(), signal.SIGKILL)

    return reach


def from_environment() -> Callable[[str], None]:
    """What the environment asks for, read once when a process starts."""
    at = os.environ.get("MOTET_CRASH_AT")
    return armed(at, os.environ.get("MOTET_CRASH_REPORT")) if at else nothing
