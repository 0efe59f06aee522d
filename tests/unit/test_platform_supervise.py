"""The supervisor's patience."""

from __future__ import annotations

import time
from pathlib import Path

from motet.platform.supervise import FIRST_BACK_OFF_SECONDS, LONGEST_BACK_OFF_SECONDS, Child, Supervisor


def child(began: float) -> Child:
    """A service that was started at a time."""
    return Child("one", "service", ("true",), {}, lambda: False, state="starting", began=began)


def test_the_wait_doubles_up_to_a_limit(tmp_path: Path) -> None:
    """A service that ends again and again is started less and less often, but never given up."""
    supervisor, one = Supervisor(tmp_path, []), child(time.monotonic())
    waits = []
    for _ in range(10):
        one.state = "starting"
        supervisor.note_end(one)
        waits.append(one.back_off)
    assert waits[:3] == [2 * FIRST_BACK_OFF_SECONDS, 4 * FIRST_BACK_OFF_SECONDS, 8 * FIRST_BACK_OFF_SECONDS]
    assert waits[-1] == LONGEST_BACK_OFF_SECONDS
    assert (one.failures, one.state, one.process) == (10, "backing off", None)


def test_a_steady_service_comes_back_soon(tmp_path: Path) -> None:
    """After it ran for a while the next end is the first one again."""
    supervisor, one = Supervisor(tmp_path, []), child(time.monotonic() - 60)
    one.back_off = LONGEST_BACK_OFF_SECONDS
    supervisor.note_end(one)
    assert one.back_off == FIRST_BACK_OFF_SECONDS


def test_only_ends_before_it_was_ready_fail_a_start(tmp_path: Path) -> None:
    """A service that was ready and crashed is no failure of its start."""
    supervisor, one = Supervisor(tmp_path, []), child(time.monotonic())
    one.state = "ready"
    supervisor.note_end(one)
    assert one.failures == 0
