"""Child processes of the benchmark: servers and workers, which end with it, however it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.peers.peer import PeerFailed
from motet.platform.process import end_with

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0
LAST_BYTES: Final = 1_500

Answers = Callable[[], Awaitable[bool]]


class Child:
    """A process, which can be started again after it was killed. Its output goes to a file beside its data."""

    def __init__(
        self, name: str, command: Sequence[str], directory: Path, answers: Answers, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.command = command
        self.log = directory / f"{name}.log"
        self.answers = answers
        self.environment = environment
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Starts it and waits until it answers. Raises PeerFailed."""
        with self.log.open("ab") as output:
            # A group of its own, so that its own children die with it when it is killed.
            self.process = subprocess.Popen(  # noqa: ASYNC220  it returns at once
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                process_group=0,
                preexec_fn=partial(end_with, os.getpid(), signal.SIGKILL),  # noqa: PLW1509  it only has the child end with us
            )
        deadline = time.monotonic() + START_SECONDS
        while not await self.answers():
            if self.process.poll() is not None:
                raise PeerFailed(f"{self.name} ended: {self.last_words()}")
            if time.monotonic() > deadline:
                raise PeerFailed(f"{self.name} does not answer after {START_SECONDS:.0f} s: {self.last_words()}")
            await asyncio.sleep(0.05)

    def last_words(self) -> str:
        """The end of its output."""
        return self.log.read_text(errors="replace")[-LAST_BYTES:]

    async def kill(self) -> None:
        """SIGKILL, also to what it started."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            await asyncio.to_thread(self.process.wait, STOP_SECONDS)

    async def stop(self) -> None:
        """Asks it to end, and kills what is left of its group."""
        if self.process is None:
            return
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self.process.wait, STOP_SECONDS)
        await self.kill()


def python_module(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs a module with this very Python."""
    return (sys.executable, "-m", module, *arguments)
