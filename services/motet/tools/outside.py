"""Calls outside the transaction: intent first, then the effect in a pool, and a watch over what takes too long.

An intent is its owner's until its deadline. A new owner acts on what another left by effect class: what is pure runs again at once; an
idempotent call runs again with its key, at once if the same replica had it (of which there is one at a time), else after the deadline; a
reconcilable one is reported as unknown after the deadline, and the coordinator has it asked; an irreversible one is reported as unknown, and
is in doubt. What neither deadline nor fencing token can stop is a paused owner whose request is already on the wire.
"""

from __future__ import annotations

import queue
import time
from functools import partial
from typing import Final

from motet.chassis import guard
from motet.chassis.service import Opening, Received
from motet.records import FinishedCall, Invocation, InvokeCalls, StopCalls
from motet.tools import intents
from motet.tools.calling import call_tool
from motet.tools.context import Context
from motet.tools.ending import cancelled, end_of, failed, unknown
from motet.tools.failure import CRASHED, HEARTBEAT_LOST
from motet.tools.intents import Left, Work, token_of
from motet.tools.running import Running
from motet.tools.tool import Tool
from motet.tools.toolset import Toolset
from motet.tools.workers import Workers

MILLISECONDS: Final = 1_000
WATCH_SECONDS: Final = 0.05
# An attempt may wait as long for a thread as it may run.
WAITING_AND_RUNNING: Final = 2
# Progress is passed on this often at most, and three times within the heartbeat's limit at least.
PROGRESS_SECONDS: Final = 0.2
BEATS_PER_LIMIT: Final = 3


def wall_ms() -> int:
    """The time by this machine's clock, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Outside:
    """The effects of one shard that run in the pool. All methods but `perform` run on the loop's thread."""

    def __init__(self, toolset: Toolset, opening: Opening, workers: Workers) -> None:
        self.toolset = toolset
        self.opening = opening
        self.workers = workers
        self.open: dict[tuple[str, int], Work] = {}
        self.starting: list[Work] = []
        self.unwritten: list[Work] = []
        self.left: list[tuple[int, Left]] = []
        self.ended: queue.SimpleQueue[tuple[Work, FinishedCall]] = queue.SimpleQueue()
        self.closed = False
        self.watched_at = 0.0
        for one in intents.left(opening):
            self.left.append((self.act_at(one), one))

    @property
    def open_effects(self) -> int:
        """Attempts that will need a turn."""
        return len(self.open) + len(self.left)

    def full(self, limit: int) -> bool:
        """Whether nothing more should be begun."""
        return len(self.open) >= limit or self.workers.exhausted

    # -- what a former owner left ------------------------------------------------------------------------------------------

    def act_at(self, one: Left) -> int:
        """When to act on an intent that a former owner left, in milliseconds since 1970."""
        tool = self.toolset.find(one.call.tool, one.call.contract_version)
        harmless = tool is None or tool.effect == "PURE" or one.call.mode == "RECONCILE"
        same = one.owner == self.opening.replica and tool is not None and tool.effect != "RECONCILABLE"
        return 0 if harmless or same else one.deadline_at

    def take_up(self) -> None:
        """Acts on intents whose time has come: runs them again, or reports that nobody knows."""
        now = wall_ms()
        due = [one for at, one in self.left if at <= now]
        self.left = [(at, one) for at, one in self.left if at > now]
        for one in due:
            tool = self.toolset.find(one.call.tool, one.call.contract_version)
            if tool is None:
                # Of a tool that is gone nobody can say what it left behind.
                tool = next(iter(self.toolset.tools))
                work = self.work(one.source, one.call, tool, one.value, one.source.meta.recorded_at)
                self.ended.put((work, unknown(one.call, "IRREVERSIBLE", CRASHED, "its tool is not served any more")))
                continue
            work = self.work(one.source, one.call, tool, one.value, one.source.meta.recorded_at)
            if tool.effect in ("PURE", "IDEMPOTENT") or one.call.mode == "RECONCILE":
                self.unwritten.append(work)
            else:
                message = "its tool service died while it may have run"
                self.open[work.place] = work
                self.ended.put((work, unknown(one.call, tool.effect, CRASHED, message)))

    # -- inside the hop ----------------------------------------------------------------------------------------------------

    def work(self, source: InvokeCalls, call: Invocation, tool: Tool, value: bytes, received_at: int) -> Work:
        """An attempt of this owner."""
        allowed = WAITING_AND_RUNNING * tool.timeout_seconds
        if tool.heartbeat_seconds is not None:
            allowed = min(allowed, WAITING_AND_RUNNING * tool.heartbeat_seconds)
        deadline_at = wall_ms() + int(allowed * MILLISECONDS)
        token = token_of(self.opening.epoch, call.attempt)
        return Work(source, call, tool, token, deadline_at, value, received_at)

    def intend(self, received: Received, call: Invocation, tool: Tool) -> None:
        """An attempt that is to run once its intent is durable."""
        self.unwritten.append(self.work(received.record, call, tool, received.value, received.timestamp_ms))

    def write_intents(self) -> None:
        """Writes the intents of this hop."""
        self.take_up()
        works, self.unwritten = self.unwritten, []
        intents.write(self.opening, works)
        self.starting += works

    def take_ended(self) -> list[tuple[Work, FinishedCall]]:
        """The attempts that ended since the last time; their intents are removed."""
        out = []
        while not self.ended.empty():
            work, end = self.ended.get()
            out.append((work, end))
            if self.open.get(work.place) is work:
                del self.open[work.place]
        intents.remove(self.opening, ((*work.place, work.call.attempt) for work, _ in out))
        return out

    def take_reports(self) -> list[Work]:
        """The attempts that said something since the last time; their intents' deadlines move."""
        now = time.monotonic()
        works = [work for work in self.open.values() if self.has_news(work, now)]
        for work in works:
            work.said_at = now
            if work.tool.heartbeat_seconds is not None:
                work.deadline_at = wall_ms() + int(WAITING_AND_RUNNING * work.tool.heartbeat_seconds * MILLISECONDS)
        intents.prolong(self.opening, works)
        return works

    def has_news(self, work: Work, now: float) -> bool:
        """Whether an attempt said something that is due to be passed on."""
        running = work.running
        if running is None or work.given_up or work.progress is None or running.beaten <= work.said_at:
            return False
        limit = work.tool.heartbeat_seconds
        return now - work.said_at >= (
            PROGRESS_SECONDS if limit is None else min(PROGRESS_SECONDS, limit / BEATS_PER_LIMIT)
        )

    def stop(self, stopping: StopCalls) -> None:
        """Tells attempts that nobody wants them any more."""
        for call in stopping.calls:
            work = self.open.get((stopping.plan_id, call.index))
            if work is not None and work.call.key == call.key:
                work.stopped = True
                if work.running is not None:
                    work.running.stop()

    # -- between hops ------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Intents are durable: their effects may start."""
        starting, self.starting = self.starting, []
        for work in starting:
            self.open[work.place] = work
            self.workers.submit(partial(self.perform, work))

    def ready(self) -> bool:
        """Whether a hop is needed: something ended, said something, or is to be taken up."""
        now = time.monotonic()
        if now - self.watched_at >= WATCH_SECONDS:
            self.watched_at = now
            self.watch()
            if any(at <= wall_ms() for at, _ in self.left) or any(
                self.has_news(one, now) for one in self.open.values()
            ):
                return True
        return not self.ended.empty()

    def watch(self) -> None:
        """Gives up attempts that take too long or say nothing: a thread cannot be stopped, but nobody waits for it any more."""
        for work in self.open.values():
            why = None if work.running is None or work.given_up else work.running.overdue()
            if why is None or work.running is None:
                continue
            work.given_up = True
            work.running.stop()
            self.workers.abandon()
            limit = work.tool.heartbeat_seconds if why == HEARTBEAT_LOST else work.tool.timeout_seconds
            message = (
                f"the tool said nothing for {limit:g} seconds"
                if why == HEARTBEAT_LOST
                else (f"the tool took longer than its limit of {limit:g} seconds")
            )
            self.ended.put((work, unknown(work.call, work.tool.effect, why, message)))

    def close(self) -> None:
        """What has not begun does not begin."""
        self.closed = True

    # -- on a pool's thread ------------------------------------------------------------------------------------------------

    def perform(self, work: Work) -> None:
        """One effect and its end."""
        if self.closed:
            return
        call, left = work.call, (work.deadline_at - wall_ms()) / MILLISECONDS
        if work.stopped:
            self.ended.put((work, cancelled(call, "STOPPED", "it was stopped before it began")))
            return
        if left <= 0:
            message = "no thread was free within its time; nothing was begun"
            self.ended.put((work, failed(call, "NOT_BEGUN", message, retry=True)))
            return
        seconds = work.tool.timeout_seconds
        limited = seconds if work.tool.heartbeat_seconds is not None else min(seconds, left)
        running = Running(limited, work.tool.heartbeat_seconds, partial(self.heard, work))
        work.running = running
        self.opening.reach("effect-started")
        end = guard.attempt(partial(call_tool, self.toolset, call, self.context(work, running), self.workers.loop))
        self.opening.reach("effect-done")
        finished = end_of(call, work.tool.effect, end)
        if work.given_up:
            self.workers.came_back()
        self.ended.put(
            (
                work,
                FinishedCall(
                    *(finished.index, finished.key, finished.attempt, finished.outcome, finished.result),
                    *(finished.error, finished.retry, finished.delay_seconds, running.spent, running.milliseconds),
                ),
            )
        )

    def heard(self, work: Work, progress: str) -> None:
        """The tool says how far it is."""
        work.progress = progress

    def context(self, work: Work, running: Running) -> Context:
        """What the tool learns of its call."""
        meta, call = work.source.meta, work.call
        return Context(
            key=call.key,
            tenant=meta.tenant,
            domain=meta.domain,
            plan_id=work.source.plan_id,
            call_index=call.index,
            attempt=call.attempt,
            agent=work.source.agent,
            fencing_token=work.token,
            traceparent=meta.traceparent,
            running=running,
        )
