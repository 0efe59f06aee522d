"""Bells and watches: what a waiter waits on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from motet.platform.bell import Bell, ring
from motet.platform.process import Watch, identity, reap

LONG_SECONDS = 20.0


@contextmanager
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing until it is killed."""
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as process:
        yield process
        process.kill()


def test_a_ring_before_the_wait_is_not_missed(tmp_path: Path) -> None:
    """What changed between hanging the bell and waiting ends the wait at once; the wait after that waits again."""
    with Bell(tmp_path) as bell, Watch(os.getpid()) as watch:
        ring(tmp_path)
        ring(tmp_path)
        began = time.monotonic()
        bell.wait(LONG_SECONDS, watch)
        assert time.monotonic() - began < 1
        began = time.monotonic()
        bell.wait(0.05, watch)
        assert time.monotonic() - began >= 0.05


def test_the_end_of_the_watched_process_ends_the_wait(tmp_path: Path) -> None:
    """A supervisor that was killed rings no bell."""
    with sleeper() as process, Bell(tmp_path) as bell, Watch(process.pid) as watch:
        process.kill()
        began = time.monotonic()
        bell.wait(LONG_SECONDS, watch)
        assert time.monotonic() - began < 5
        assert watch.ended(0)


def test_every_waiter_is_woken_and_the_dead_are_forgotten(tmp_path: Path) -> None:
    """Two bells ring; the pipe of a waiter that was killed is removed instead of filling up."""
    dead = tmp_path / "dead"
    os.mkfifo(dead)
    with Bell(tmp_path) as one, Bell(tmp_path) as two, Watch(os.getpid()) as watch:
        ring(tmp_path)
        began = time.monotonic()
        one.wait(LONG_SECONDS, watch)
        two.wait(LONG_SECONDS, watch)
        assert time.monotonic() - began < 1
        assert not dead.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_bell_that_nobody_reads_does_not_stop_who_rings(tmp_path: Path) -> None:
    """A stopped waiter's pipe is full after 64 KiB; ringing goes on."""
    with Bell(tmp_path):
        for _ in range(70_000):
            ring(tmp_path)


def test_an_identity_is_one_process_for_ever() -> None:
    """It stays while the process lives, differs between processes, and is gone at the end, reaped or not."""
    with sleeper() as process:
        first = identity(process.pid)
        assert first is not None
        assert identity(process.pid) == first != identity(os.getpid())
        process.send_signal(signal.SIGKILL)
        with Watch(process.pid) as watch:
            assert watch.ended(LONG_SECONDS)
        assert identity(process.pid) is None
        process.wait()
        assert identity(process.pid) is None


def test_a_watch_on_nobody_has_ended() -> None:
    """A process that is gone before it is watched counts as ended, and signals to it reach nobody."""
    with sleeper() as process:
        process.kill()
        process.wait()
        with Watch(process.pid) as watch:
            watch.send(signal.SIGKILL)
            assert watch.ended(0)
        reap(process.pid)
