"""What a reader of figures must know of the machine: its processor, its disk's flush, and how busy others kept it."""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import psutil

from motet.platform.unprivileged import ELSEWHERE

FLUSHES: Final = 200
BLOCK: Final = b"\0" * 4_096
SAMPLE_SECONDS: Final = 2.0
# Others may use this share of all cores, and it still counts as quiet.
QUIET: Final = 0.1


def described() -> dict[str, Any]:
    """The machine."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "flush_ms": round(flush_ms(), 2),
    }


def processor() -> str:
    """The processor's name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def flush_ms() -> float:
    """The median time of writing and flushing one block of a file."""
    times = []
    with tempfile.TemporaryFile(dir=ELSEWHERE) as file:
        for _ in range(FLUSHES):
            file.write(BLOCK)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


class Use:
    """Who uses the machine from its making on: we, which is this process and all that it started, and others."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.busy = busy_seconds()
        self.own = own_seconds()

    def ours(self) -> float:
        """Processor seconds that we used since."""
        return own_seconds() - self.own

    def others(self) -> float:
        """The share of all cores that others used since."""
        whole = (time.monotonic() - self.began) * (os.cpu_count() or 1)
        used = busy_seconds() - self.busy - self.ours()
        return min(1.0, max(0.0, used / whole))


def busy_seconds() -> float:
    """Processor time of everything on the machine."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


def own_seconds() -> float:
    """Processor time of this process and of those that it started, also of those that ended."""
    used = 0.0
    own = psutil.Process()
    for process in (own, *own.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            used += sum(process.cpu_times()[:4])
    return used


def await_quiet(seconds: float) -> None:
    """Waits until others use little, so long at most."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        use = Use()
        threading.Event().wait(SAMPLE_SECONDS)
        if use.others() <= QUIET:
            return
