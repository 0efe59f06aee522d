"""Clocks that are wrong and jump, one process at a time: libfaketime, the machine's own, else fetched from Debian and unpacked under build/."""

from __future__ import annotations

import fcntl
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).resolve().parent
BUILD: Final = TESTS.parent / "build" / "debian" / "faketime"
LIBRARY: Final = "usr/lib/*/faketime/libfaketimeMT.so.1"
PACKAGE: Final = "libfaketime"
# An hour and two days, forward and back.
JUMPS: Final = ("+2d", "-2d", "+0", "+1h", "-1h", "+2d", "-1h", "-2d", "+1h")
JUMP_SECONDS: Final = 0.15


class NoClocks(Exception):
    """There is no libfaketime, and it cannot be fetched."""


def library() -> Path:
    """The library that is loaded before others."""
    found = next(iter(sorted(Path("/").glob(LIBRARY))), None)
    if found is not None:
        return found
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not list(BUILD.glob(f"root/{LIBRARY}")):
            fetch()
    return next(iter(sorted(BUILD.glob(f"root/{LIBRARY}"))))


def fetch() -> None:
    """Fetches the package with the machine's own lists, else with lists of our own. Raises NoClocks."""
    lists = BUILD / "lists"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    said = ""
    for options in ([], ["-o", f"Dir::State::lists={lists}", "-o", "Debug::NoLocking=1"]):
        if options:
            subprocess.run(["apt-get", *options, "update"], capture_output=True, check=False)
        done = subprocess.run(
            ["apt-get", *options, "download", PACKAGE], cwd=BUILD, capture_output=True, text=True, check=False
        )
        said = done.stderr
        for package in BUILD.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", str(package), str(BUILD / "root")], check=True)
        if done.returncode == 0:
            return
    raise NoClocks(f"this test needs Debian's {PACKAGE}: install it ({said[-300:]})")


class Clock:
    """The clock of one process: what `set` says counts at once. Ticks go on as they do; no clock that is set wrong changes them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.set("+0")

    def set(self, offset: str) -> None:
        """By how much it is wrong from now on, such as +2d or -1h."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(f"{offset}\n")
        fresh.rename(self.path)

    def environment(self) -> dict[str, str]:
        """What a process is started with."""
        path = (TESTS / "clockwork", TESTS.parent / "services", TESTS / "integration")
        return {
            "PYTHONPATH": os.pathsep.join(map(str, path)),
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


@contextmanager
def jumping(clocks: list[Clock]) -> Iterator[None]:
    """Each clock jumps again and again, none when another does, and none to where another is."""
    over = threading.Event()

    def jump() -> None:
        for number in count():
            if over.wait(JUMP_SECONDS):
                return
            clocks[number % len(clocks)].set(JUMPS[number % len(JUMPS)])

    thread = threading.Thread(target=jump, name="jumping-clocks")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
