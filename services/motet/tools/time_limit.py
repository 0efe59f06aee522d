"""A time limit for code that runs in the loop's own thread, where nobody else could stop it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Overdue(KeyboardInterrupt):
    """The time is over. A KeyboardInterrupt, because that is what psycopg ends a running query for."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises Overdue in the block once the time is over. Only the main thread has signals; elsewhere there is no limit."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _overdue)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _overdue(*_: object) -> None:
    raise Overdue
