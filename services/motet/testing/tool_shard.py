"""A tool service in memory: the real host, in one thread, whose pool runs a call when it is told to, and whose process may die."""

from __future__ import annotations

import math
import queue
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any, Final, cast

import psycopg

from motet.chassis.canonical import sha256_text
from motet.chassis.message import Message
from motet.chassis.service import Handler, Opening, Received
from motet.chassis.settings import Settings
from motet.personal.sealing import Keys
from motet.records import FinishedCall, Invocation, StopCalls
from motet.testing.faults import Faults
from motet.testing.in_memory import MemoryShard, Topics
from motet.testing.watching import Watch, WatchedToolset
from motet.tools import held
from motet.tools.answers import Answer, Answers
from motet.tools.calling import call_tool
from motet.tools.contract import Contract
from motet.tools.ending import succeeded
from motet.tools.event_loop import EventLoopThread
from motet.tools.host import Host, declaration
from motet.tools.inside import Inside
from motet.tools.intents import Left
from motet.tools.log_time import LogTime
from motet.tools.outside import Ended, Outside
from motet.tools.running import Running
from motet.tools.time_limit import Overdue
from motet.tools.tool import Tool
from motet.tools.toolset import Toolset
from motet.tools.versions import InMemory
from motet.tools.work import Work
from motet.tools.workers import Workers

# The time of an attempt that is given up was over before it began.
OVER_SECONDS: Final = -1.0


class Killed(BaseException):
    """The process ends here, as by SIGKILL: nothing catches it but whoever starts the next one."""


@dataclass
class Rows:
    """What the service's database has: intents by place, results by key, versions, and whether the contracts are published."""

    intents: dict[tuple[str, int], Left] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    versions: InMemory = field(default_factory=InMemory)
    published: bool = False

    def copy(self) -> Rows:
        """The rows as they are."""
        return Rows(dict(self.intents), dict(self.answers), InMemory(dict(self.versions.rows)), self.published)


@cache
def the_loop() -> EventLoopThread:
    """The loop of all rehearsals of this process."""
    return EventLoopThread()


class Turns(Workers):
    """The pool: what is to run waits until it is its turn."""

    def __init__(self) -> None:
        # One for all: what an async tool keeps between calls, such as a connection, belongs to its loop.
        self.loop = the_loop()
        self.waiting: list[Callable[[], None]] = []

    def submit(self, work: Callable[[], None]) -> None:
        """Notes it."""
        self.waiting.append(work)

    def abandon(self) -> None:
        """No thread hangs."""

    def came_back(self) -> None:
        """As none was abandoned."""

    @property
    def exhausted(self) -> bool:
        """There is one thread, and it is free."""
        return False


class AnswersInMemory(Answers):
    """Results by effect key, as the table keeps them."""

    def __init__(self, opening: Opening, rows: Rows) -> None:
        super().__init__(opening.connection, opening.partition)
        self.rows = rows

    def find(self, calls: Sequence[tuple[Invocation, int]]) -> dict[str, Answer]:
        """What is kept for calls, by key."""
        known = self.rows.answers
        return {
            call.key: known[call.key] for call, now in calls if call.key in known and known[call.key].expires_at > now
        }

    def keep(self, ended: Iterable[tuple[Invocation, str, int]], *, late: bool = False) -> None:
        """Keeps results; late ones only where there is none."""
        for call, result, expires_at in ended:
            if not late or call.key not in self.rows.answers:
                self.rows.answers[call.key] = Answer(sha256_text(call.arguments), result, expires_at)

    def expire(self, now: int) -> None:
        """What is too old is not found; it may stay."""


class HeldTime(LogTime):
    """The log's time, held."""

    def __init__(self, opening: Opening) -> None:
        super().__init__()
        self.opening = opening

    def now(self) -> int:
        """Milliseconds since 1970."""
        return self.opening.clock.now()


class InsideInMemory(Inside):
    """Transactional calls: each in a savepoint of the connection that the test gives, if it gives one."""

    def __init__(self, toolset: Toolset, opening: Opening, keys: Keys, rows: Rows, watch: Watch) -> None:
        super().__init__(toolset, opening, keys)
        self.rows = rows
        self.eye = watch
        self.tokens = opening.connection

    def run(self, work: list[tuple[Received, Invocation]]) -> list[tuple[Received, FinishedCall]]:
        """The ends of calls, in order. Raises Killed."""
        return [(received, self.seen(received, call)) for received, call in work]

    def seen(self, received: Received, call: Invocation) -> FinishedCall:
        """One call. What failed was taken back."""
        eye, counted, versions = self.eye, self.eye.counted(), dict(self.rows.versions.rows)
        eye.begins(call)
        if eye.faults.due(call, "crash_before"):
            raise Killed
        end = self.alone(received, call)
        if end.outcome != "SUCCEEDED":
            eye.count_back(counted)
            self.rows.versions.rows = versions
        if eye.faults.due(call, "crash_after"):
            raise Killed
        return end

    def one(self, received: Received, call: Invocation, running: Running) -> FinishedCall:
        """Runs one call. The clock is held, so nobody looks at its time."""
        source = received.record
        versions = self.versions(received, call, self.rows.versions)
        transaction = None if self.opening.connection is self.tokens else self.opening.connection
        context = self.context(source, call, running, versions, transaction)
        tool = self.toolset.find(call.tool, call.contract_version)
        held.check(self.tokens, () if tool is None else tool.leases, call, source.meta)
        versions.check_carried()
        text = call_tool(self.toolset, call, context, None)
        if self.eye.faults.due(call, "times_out"):
            raise Overdue
        return replace(succeeded(call, text or "null"), spent=running.spent)


class OutsideInMemory(Outside):
    """All other calls: intents are rows that outlive the process, effects run when it is their turn."""

    def __init__(self, toolset: Toolset, opening: Opening, turns: Turns, keys: Keys, rows: Rows, watch: Watch) -> None:
        self.rows = rows
        self.eye = watch
        self.performing: Work | None = None
        super().__init__(toolset, opening, turns, keys, [replace(one, milliseconds=0) for one in rows.intents.values()])

    def act_at(self, one: Left) -> float:  # noqa: ARG002  whatever it is
        """At once: its time is over when the next process begins."""
        return 0.0

    def work(self, source: Any, call: Invocation, tool: Tool, value: bytes, received_at: int) -> Work:
        """An attempt that waits for its turn as long as it takes."""
        made = super().work(source, call, tool, value, received_at)
        made.begin_by = math.inf
        return made

    def write_intents(self) -> None:
        """Intents are rows."""
        super().write_intents()
        for work in self.starting:
            place = (work.source, work.call, self.opening.replica, work.token, 0, work.value)
            self.rows.intents[work.place] = Left(*place)

    def take_ended(self) -> list[Ended]:
        """Their rows are gone."""
        out = super().take_ended()
        for work, end in out:
            row = self.rows.intents.get(work.place)
            if row is not None and row.call.attempt == end.attempt:
                del self.rows.intents[work.place]
        return out

    def stop(self, stopping: StopCalls) -> None:
        """The next process has to know of it."""
        super().stop(stopping)
        for call in stopping.calls:
            row = self.rows.intents.get((stopping.plan_id, call.index))
            if row is not None and row.call.attempt == call.attempt:
                self.rows.intents[row.place] = replace(row, stopped=True)

    def ready(self) -> bool:
        """Whether something ended, or is to be taken up."""
        return bool(self.left) or not self.ended.empty()

    def perform(self, work: Work) -> None:
        """One effect and its end. Raises Killed."""
        self.performing = work
        self.eye.begins(work.call)
        super().perform(work)

    def reach(self, label: str) -> None:
        """The points at which the process may die, or the time of an attempt be over."""
        work, due = self.performing, self.eye.faults.due
        if work is None or label not in ("effect-started", "effect-done"):
            return
        if due(work.call, "crash_before" if label == "effect-started" else "crash_after"):
            raise Killed
        if label == "effect-started" or work.running is None:
            return
        # How long it took is measured, and would be another number each time.
        work.running.began = time.monotonic()
        if due(work.call, "times_out"):
            work.running.seconds = OVER_SECONDS
            self.watch()
            # It never comes back.
            work.ended = queue.SimpleQueue()


class HostInMemory(Host):
    """The host, on those."""

    def __init__(
        self, toolset: Toolset, opening: Opening, inside: Inside, outside: OutsideInMemory, limit: int
    ) -> None:
        self.rows = outside.rows
        super().__init__(toolset, opening, inside, outside, limit)
        self.answers = AnswersInMemory(opening, self.rows)
        self.log_time = HeldTime(opening)

    def contracts_to_publish(self) -> list[Contract]:
        """All of them, once."""
        missing = [] if self.rows.published else super().contracts_to_publish()
        self.rows.published = True
        return missing


class ToolShard(MemoryShard):
    """A tool service. `connection` is the test's own; without one a transactional call has none."""

    def __init__(
        self,
        toolset: Toolset,
        settings: Settings,
        topics: Topics,
        keys: Keys,
        faults: Faults,
        connection: psycopg.Connection[Any] | None,
    ) -> None:
        self.toolset = toolset
        self.settings = settings
        self.keys = keys
        self.given = connection
        self.watch = Watch(faults)
        self.watched = WatchedToolset(toolset, self.watch)
        self.rows = Rows()
        self.turns = Turns()
        self.outside: OutsideInMemory | None = None
        super().__init__(declaration(toolset, settings), topics)

    def opened(self) -> Handler:
        """The host of a process that begins."""
        self.turns = Turns()
        opening = self.opening
        inside = self.opening if self.given is None else replace(opening, connection=self.given)
        transactional = InsideInMemory(self.watched, inside, self.keys, self.rows, self.watch)
        transactional.tokens = self.connection
        place = (self.watched, opening, self.turns, self.keys, self.rows, self.watch)
        self.outside = OutsideInMemory(*place)
        return HostInMemory(self.watched, opening, transactional, self.outside, self.settings.open_effects)

    def reach(self, label: str) -> None:
        """What the host reaches while it runs a call."""
        if self.outside is not None:
            self.outside.reach(label)

    def transaction(self) -> AbstractContextManager[Any]:
        """The hop's own, of which a call's savepoint is a part."""
        return nullcontext() if self.given is None else self.given.transaction()

    def hop(self, messages: Sequence[Message]) -> None:
        """As everywhere, and in the transaction of the test's connection. A process that dies in it leaves nothing of it behind."""
        shard = self.shard
        rows, counted = self.rows.copy(), self.watch.counted()
        before = replace(shard, lanes_in=dict(shard.lanes_in), lanes_out=dict(shard.lanes_out))
        try:
            with self.transaction() if messages else nullcontext():
                super().hop(messages)
        except Killed:
            self.rows, self.shard = rows, before
            self.watch.count_back(counted)
            self.restart()

    def perform(self, number: int) -> None:
        """One of the calls that wait for their turn runs."""
        work = self.turns.waiting.pop(number)
        try:
            work()
        except Killed:
            self.restart()

    def restart(self) -> None:
        """The next process has the rows."""
        self.shard.epoch += 1
        self.handler = self.opened()

    def name_of(self, number: int) -> str:
        """The call that a turn is for."""
        work = cast("partial[None]", self.turns.waiting[number]).args[0]
        return f"{work.call.call_id} ({work.call.tool})"
