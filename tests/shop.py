"""A toolset around a gate, its pool and its handlers, for tests of attempts outside the transaction."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from motet.chassis.fencing import SEEN
from motet.chassis.service import Opening
from motet.chassis.subject_keys import SubjectKeys
from motet.records import FinishedCall, Invocation, InvocationMode, InvokeCalls, Meta
from motet.tools import Context, Happened, Toolset
from motet.tools.intents import Left
from motet.tools.outside import Outside
from motet.tools.work import Work
from motet.tools.workers import Workers

SECONDS = 10.0
HOUR = 3_600_000
META = Meta("e", "c", "x", "acme", "main", 1, 1_000_000, None)


@dataclass
class Gate:
    """A tool that says when it begins, and waits to be let go."""

    begun: threading.Event = field(default_factory=threading.Event)
    free: threading.Event = field(default_factory=threading.Event)
    contexts: list[Context] = field(default_factory=list)

    def run(self, context: Context) -> str:
        """The tool."""
        self.contexts.append(context)
        self.begun.set()
        self.free.wait(SECONDS)
        return "done"


def never_asked() -> Happened:
    """A reconcile function."""
    return Happened("done")


class Nowhere:
    """The connection of a test that needs no rows: it takes statements, and has none."""

    def execute(self, *_: Any) -> None:
        """Nobody reads what comes of it."""


class Overtaken(Nowhere):
    """The connection of a test in which each resource was written to under token 9."""

    autocommit = False

    def execute(self, statement: Any, *_: Any) -> Any:
        """No row for who would raise the token to less, and the token for who asks."""
        return Answered((9,) if statement == SEEN else None)


@dataclass
class Answered:
    """What a statement brought."""

    row: tuple[int, ...] | None

    def fetchone(self) -> tuple[int, ...] | None:
        """Its only row."""
        return self.row


def opening(epoch: int = 7, replica: int = 0, connection: Nowhere | None = None) -> Opening:
    """What a handler gets."""
    used = cast("Any", connection or Nowhere())
    return Opening("tools-shop", 0, 4, used, lambda _: None, lambda _: None, epoch, replica)


@dataclass
class Shop:
    """A toolset around a gate, a pool of one thread, and handlers that follow one another."""

    gate: Gate = field(default_factory=Gate)
    workers: Workers = field(default_factory=lambda: Workers(1, "shop"))
    toolset: Toolset = field(default_factory=lambda: Toolset("shop"))
    outside: Outside = field(init=False)

    def __post_init__(self) -> None:
        for effect in ("pure", "idempotent", "irreversible"):
            self.toolset.add(self.gate.run, effect, name=effect, timeout_seconds=100)
        self.toolset.add(self.gate.run, "idempotent", name="beating", timeout_seconds=100, heartbeat_seconds=10)
        self.toolset.add(self.gate.run, "reconcilable", name="reconcilable", timeout_seconds=100, reconcile=never_asked)
        self.outside = Outside(self.toolset, opening(), self.workers, SubjectKeys(""), [])

    def begin(self, *works: Work) -> None:
        """Their intents are durable."""
        self.outside.starting += works
        self.outside.begin()

    def work(self, effect: str = "irreversible", index: int = 0, attempt: int = 1) -> Work:
        """An attempt."""
        call = invocation(effect, index, attempt)
        tool = self.toolset.find(call.tool, 1)
        assert tool is not None
        return self.outside.work(InvokeCalls(META, "plan", "ann", (call,)), call, tool, b"", 1)

    def end(self) -> FinishedCall:
        """The next end that is told."""
        return self.outside.ended.get(timeout=SECONDS)[1]

    def ends(self) -> list[str]:
        """The codes and outcomes of the ends that are told and not taken."""
        return [said(end) for _, end in drain(self.outside.ended)]

    def opened_again(self, *left: Left, epoch: int = 7) -> None:
        """The handler is closed, and another one of this process follows."""
        self.outside.close()
        self.outside = Outside(self.toolset, opening(epoch), self.workers, SubjectKeys(""), list(left), self.outside)


def invocation(
    effect: str = "irreversible", index: int = 0, attempt: int = 1, mode: InvocationMode = "RUN", arguments: str = "{}"
) -> Invocation:
    """An attempt of a call."""
    return Invocation(index, f"c{index}", f"shop.{effect}", 1, arguments, f"key-{index}", attempt, mode)


def left_of(work: Work, *, owner: int = 0, milliseconds: int = 50_000, stopped: bool = False) -> Left:
    """The row of an attempt."""
    return Left(work.source, work.call, owner, work.token, milliseconds, b"", stopped)


def drain(ended: queue.SimpleQueue[tuple[Work, FinishedCall]]) -> list[tuple[Work, FinishedCall]]:
    """What is in a queue."""
    out = []
    while not ended.empty():
        out.append(ended.get())
    return out


def said(end: FinishedCall) -> str:
    """An end in a word."""
    return end.outcome if end.error is None else f"{end.outcome} {end.error.code}"


def overdue(work: Work) -> None:
    """Its time is over."""
    assert work.running is not None
    work.running.began -= 1_000


def wait_for(happened: Callable[[], bool]) -> None:
    """Waits for another thread."""
    deadline = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < deadline
        os.sched_yield()
