"""The limit of code in the loop's own thread: a signal, which nothing may swallow for good and which rings in the block only."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from motet.tools import time_limit as module
from motet.tools.time_limit import Overdue, time_limit

SOON = 0.01


def forever() -> None:
    """Never returns by itself."""
    threading.Event().wait()


def swallow() -> None:
    """Does not let what ends it through."""
    with suppress(KeyboardInterrupt):
        forever()


def test_a_block_ends_at_its_limit() -> None:
    """It raises what psycopg ends a running query for; signal and timer are as before."""
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(Overdue), time_limit(SOON):
        forever()
    assert issubclass(Overdue, KeyboardInterrupt)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_a_block_within_its_limit_hears_nothing() -> None:
    """Also where it raises by itself."""
    with time_limit(60):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    with pytest.raises(LookupError), time_limit(60):
        raise LookupError
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_block_that_swallows_its_end_is_overdue_all_the_same() -> None:
    """What it returns came too late."""
    with pytest.raises(Overdue), time_limit(SOON):
        swallow()


def test_a_block_that_swallows_its_end_and_goes_on_hears_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a loop around a broad `except` would hold its shard for ever."""
    monkeypatch.setattr(module, "AGAIN_SECONDS", SOON)
    heard: list[int] = []

    def stubborn() -> None:
        while len(heard) < 3:
            swallow()
            heard.append(1)

    with pytest.raises(Overdue), time_limit(SOON):
        stubborn()
    assert len(heard) == 3
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_it_rings_nowhere_but_in_the_block() -> None:
    """A signal that is delivered behind the block is nobody's: it would end the process."""
    rings = []
    with time_limit(60):
        rings.append(signal.getsignal(signal.SIGALRM))
    (ring,) = rings
    assert callable(ring)
    ring(signal.SIGALRM, None)


def test_other_threads_have_no_limit() -> None:
    """Only the main thread has signals."""

    def elsewhere() -> float:
        with time_limit(SOON):
            return signal.getitimer(signal.ITIMER_REAL)[0]

    with ThreadPoolExecutor(1) as pool:
        # pytest has a timer of its own running.
        left = pool.submit(elsewhere).result()
        assert left == 0.0 or left > SOON
