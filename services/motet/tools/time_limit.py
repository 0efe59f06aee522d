"""A time limit for code that runs in the loop's own thread, where nobody else could stop it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

# A tool that swallows what ends it hears it again.
AGAIN_SECONDS: Final = 1.0


class Overdue(KeyboardInterrupt):
    """The time is over. A KeyboardInterrupt, because that is what psycopg ends a running query for."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises Overdue in the block once the time is over, and again behind it if the block swallowed it.

    Only the main thread has signals; elsewhere there is no limit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    alarm = _Alarm()
    before = signal.signal(signal.SIGALRM, alarm.ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        # Two blocks: it may ring while the first one ends, and not again while the second one does.
        try:
            yield
        finally:
            alarm.over = True
    finally:
        alarm.over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    if alarm.rang:
        raise Overdue


@dataclass(slots=True)
class _Alarm:
    rang: bool = False
    over: bool = False

    def ring(self, *_: object) -> None:
        if self.over:
            return
        self.rang = True
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
        raise Overdue
