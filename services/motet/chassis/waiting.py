"""Waiting for something outside this process that nobody announces: asked again, shortly, until a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from motet.chassis.errors import MotetError

LOOK_SECONDS = 0.1


class NotInTime(MotetError):
    """What was waited for did not happen; the message says what it was."""


def wait_until(happened: Callable[[], bool], timeout_seconds: float, what: str) -> None:
    """Returns once `happened()`. Raises NotInTime."""
    pause = threading.Event()
    deadline = time.monotonic() + timeout_seconds
    while not happened():
        if time.monotonic() > deadline:
            raise NotInTime(f"not within {timeout_seconds:g} s: {what}")
        pause.wait(LOOK_SECONDS)
