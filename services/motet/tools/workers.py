"""The threads that run effects: as many at once as the settings say, and one more for each that hangs.

A tool that never returns cannot be stopped from outside. Its thread is abandoned: what it still returns is too late, and another thread takes
its place, up to a bound. Threads are daemons, so that a hanging tool does not keep a process from ending.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Final

from motet.tools.event_loop import EventLoopThread

# So many threads for one that the settings allow may hang before no more effects are begun.
ABANDONED_PER_THREAD: Final = 4


class Workers:
    """A bounded pool, and the event loop that its threads lend to async tools."""

    def __init__(self, threads: int, name: str) -> None:
        self.loop = EventLoopThread()
        self._threads = threads
        self._name = name
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._begun = 0
        self._idle = 0
        self._abandoned = 0

    def submit(self, work: Callable[[], None]) -> None:
        """Runs work once a thread is free. It must not raise."""
        self._work.put(work)
        self._fill()

    def abandon(self) -> None:
        """A thread hangs: another one may take its place."""
        with self._lock:
            self._abandoned += 1
        self._fill()

    def came_back(self) -> None:
        """A thread that was abandoned returned after all."""
        with self._lock:
            self._abandoned -= 1

    @property
    def exhausted(self) -> bool:
        """Whether so many threads hang that nothing more should be begun."""
        return self._abandoned >= self._threads * ABANDONED_PER_THREAD

    def _fill(self) -> None:
        with self._lock:
            allowed = self._threads + min(self._abandoned, self._threads * ABANDONED_PER_THREAD)
            if self._idle or self._begun >= allowed or self._work.empty():
                return
            self._begun += 1
            number = self._begun
        threading.Thread(target=self._run, name=f"{self._name}-{number}", daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._begun > self._threads + self._abandoned:
                    self._begun -= 1
                    return
                self._idle += 1
            work = self._work.get()
            with self._lock:
                self._idle -= 1
            self._fill()
            work()
