"""Processes: children that end with us, and others, told apart from strangers that got the same number later."""

from __future__ import annotations

import ctypes
import os
import select
import signal
from pathlib import Path
from typing import Final, Self

PR_SET_PDEATHSIG: Final = 1
LIBRARY: Final = ctypes.CDLL(None)
# What the supervisor waits for, and therefore blocks.
SIGNALS: Final = (signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM, signal.SIGINT)


def end_with(parent: int, number: signal.Signals) -> None:
    """Has the kernel send this process a signal when its parent ends, however that ends; at once if it has ended already."""
    LIBRARY.prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def prepare_child(supervisor: int, stop: signal.Signals) -> None:
    """In the child, after the change of its user, which would undo it: it ends with the supervisor, and signals are as usual."""
    end_with(supervisor, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def identity(pid: int) -> str | None:
    """What no other process has, before or after: this boot, the number, the start in clock ticks. None if it has ended.

    Wall time would not do: it is set back and forth, and two processes start in one second.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if fields[0] in "ZX":  # ended; its parent has not asked how
        return None
    return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}:{pid}:{fields[19]}"


class Watch:
    """A process that is watched until it ends; a context manager."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        try:
            self.descriptor: int | None = os.pidfd_open(pid)
        except ProcessLookupError:
            self.descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)

    def ended(self, seconds: float) -> bool:
        """Waits so long at most for the end, and says whether it came."""
        if self.descriptor is None:
            return True
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to this very process, to nobody if it has ended."""
        if self.descriptor is not None:
            try:
                signal.pidfd_send_signal(self.descriptor, number)
            except ProcessLookupError:
                return


def reap(pid: int) -> None:
    """Forgets an ended process if it was our own child."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
