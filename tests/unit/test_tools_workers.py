"""The pool: as many threads as allowed, one more for each that hangs, up to a bound."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Iterator

import pytest

from motet.tools.workers import ABANDONED_PER_THREAD, Workers
from shop import wait_for

SECONDS = 10.0
NUMBERS = itertools.count()


class Pool:
    """A pool, and work that hangs until it is let go."""

    def __init__(self, threads: int) -> None:
        # A name of its own: threads of another test's pool may still be ending.
        self.name = f"test{next(NUMBERS)}-"
        self.workers = Workers(threads, self.name.removesuffix("-"))
        self.begun: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.gates: dict[str, threading.Event] = {}
        self.ended: queue.SimpleQueue[str] = queue.SimpleQueue()

    def hang(self, name: str, *, abandoned: bool = False) -> None:
        """Submits work that says when it begins, and hangs; `abandoned` as the host's work says when it comes back."""
        gate = self.gates[name] = threading.Event()

        def work() -> None:
            self.begun.put(name)
            gate.wait(SECONDS)
            if abandoned:
                self.workers.came_back()
            self.ended.put(name)

        self.workers.submit(work)

    def begins(self, count: int) -> list[str]:
        """The names of so much work that begins next."""
        return sorted(self.begun.get(timeout=SECONDS) for _ in range(count))

    def ends(self, *names: str) -> None:
        """Lets work go, and waits for it."""
        for name in names:
            self.gates[name].set()
        assert sorted(self.ended.get(timeout=SECONDS) for _ in names) == sorted(names)

    def threads(self) -> int:
        """Its threads that live."""
        return sum(one.name.startswith(self.name) for one in threading.enumerate())

    def idle(self) -> bool:
        """Whether nothing more begins: what is submitted now waits until something ends."""
        return self.begun.empty()


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Two threads."""
    made = Pool(2)
    yield made
    for gate in made.gates.values():
        gate.set()
    made.workers.loop.close()


def test_as_many_run_at_once_as_are_allowed(pool: Pool) -> None:
    """The third waits for a thread, in order."""
    for name in "abcd":
        pool.hang(name)
    assert pool.begins(2) == ["a", "b"]
    pool.ends("b")
    assert pool.begins(1) == ["c"]
    assert pool.idle()
    pool.ends("a", "c")
    assert pool.begins(1) == ["d"]


def test_threads_are_begun_only_when_needed(pool: Pool) -> None:
    """One after another needs one."""
    for name in "abcdef":
        pool.hang(name)
        assert pool.begins(1) == [name]
        pool.ends(name)
        wait_for(lambda: pool.workers._idle == 1)
    assert pool.threads() == 1


def test_another_thread_takes_the_place_of_one_that_hangs(pool: Pool) -> None:
    """And goes once the hanging one came back."""
    pool.hang("a", abandoned=True)
    pool.hang("b")
    pool.hang("c")
    assert pool.begins(2) == ["a", "b"]
    pool.workers.abandon()
    assert pool.begins(1) == ["c"]
    pool.ends("a")
    # Two run: the one that came back is one too many, and ends.
    wait_for(lambda: pool.threads() == 2)
    pool.hang("d")
    pool.hang("e")
    assert pool.idle()
    pool.ends("b", "c")
    assert pool.begins(2) == ["d", "e"]


def test_so_many_may_hang_and_no_more(pool: Pool) -> None:
    """Beyond the bound the pool is exhausted: no further thread, until one comes back."""
    most = 2 * ABANDONED_PER_THREAD
    names = [f"{number:02}" for number in range(most + 3)]
    for name in names:
        pool.hang(name, abandoned=True)
    running = pool.begins(2)
    for number in range(most):
        assert pool.workers.exhausted is (number == most)
        pool.workers.abandon()
        running += pool.begins(1)
    assert pool.workers.exhausted
    pool.workers.abandon()
    assert pool.idle()
    pool.workers.came_back()
    pool.ends("00")
    assert not pool.workers.exhausted
    assert running == names[: most + 2]


def test_it_recovers_from_exhaustion(pool: Pool) -> None:
    """Everything that hung comes back; afterwards the pool is what it was."""
    most = 2 * ABANDONED_PER_THREAD
    for number in range(most):
        pool.hang(f"{number:02}", abandoned=True)
    pool.begins(2)
    for _ in range(most - 2):
        pool.workers.abandon()
        pool.begins(1)
    pool.workers.abandon()
    pool.workers.abandon()
    assert pool.workers.exhausted
    pool.ends(*[f"{number:02}" for number in range(most)])
    assert not pool.workers.exhausted
    for name in "xyz":
        pool.hang(name)
    pool.begins(2)
    assert pool.idle()
    pool.ends("x")
    assert pool.begins(1) == ["z"]


def test_threads_do_not_keep_a_process_from_ending(pool: Pool) -> None:
    """A tool may hang for ever."""
    pool.hang("a")
    pool.begins(1)
    assert all(one.daemon for one in threading.enumerate() if one.name.startswith("test-"))
