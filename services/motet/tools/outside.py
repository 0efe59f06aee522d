"""Calls outside the transaction: intent first, then the effect in a pool, and a watch over what takes too long.

An intent is its owner's until its deadline. A new owner acts on what another left by effect class: what is pure runs again at once; an
idempotent call runs again with its key, at once if the same replica had it (of which there is one at a time), else after the deadline; a
reconcilable one is reported as unknown after the deadline, and the coordinator has it asked; an irreversible one is reported as unknown, and
is in doubt. So is an idempotent one that nobody wants any more. What neither deadline nor fencing token can stop is a paused owner whose
request is already on the wire.

A handler is thrown away when its hop fails and when the shards are dealt anew; the threads are not. The next handler of the same process goes
on with the attempts whose intents nobody else has touched, and hears their ends.
"""

from __future__ import annotations

import math
import queue
import time
from dataclasses import replace
from functools import partial
from typing import Final

from motet.chassis import guard
from motet.chassis.service import Opening, Received
from motet.personal.sealing import Keys, Sealer
from motet.records import FinishedCall, Invocation, InvokeCalls, StopCalls
from motet.tools import held, intents
from motet.tools.calling import call_tool
from motet.tools.context import Context
from motet.tools.ending import HARMLESS, end_of, hidden, not_run, not_wanted, unknown
from motet.tools.failure import CRASHED, HEARTBEAT_LOST, STOPPED
from motet.tools.intents import Left, token_of
from motet.tools.running import Running
from motet.tools.tool import Tool
from motet.tools.toolset import Toolset
from motet.tools.work import Work
from motet.tools.workers import Workers

MILLISECONDS: Final = 1_000
WATCH_SECONDS: Final = 0.05
# An attempt may wait as long for a thread as it may run, or as long as it may say nothing.
WAITING_AND_RUNNING: Final = 2
# Progress is passed on this often at most, and three times within the heartbeat's limit at least.
PROGRESS_SECONDS: Final = 0.2
BEATS_PER_LIMIT: Final = 3

Ended = tuple[Work, FinishedCall]


def never_begun(call: Invocation) -> FinishedCall:
    """The end of an attempt that was stopped before it began."""
    return not_wanted(call, STOPPED, "it was stopped before it began")


def unbegun(work: Work, end: FinishedCall) -> FinishedCall:
    """The end of an attempt that does not begin here, `end` unless a former owner may have begun it: then nobody knows."""
    if work.again and work.call.mode == "RUN" and work.tool.effect not in HARMLESS:
        message = "its tool service died while it may have run, and it is not run again"
        return unknown(work.call, work.tool.effect, CRASHED, message)
    return end


class Outside:
    """The effects of one shard that run in the pool. All methods but `perform` run on the loop's thread.

    `left` are the intents that are there, `former` is the shard's last handler in this process.
    """

    def __init__(
        self,
        toolset: Toolset,
        opening: Opening,
        workers: Workers,
        keys: Keys,
        left: list[Left],
        former: Outside | None = None,
    ) -> None:
        self.toolset = toolset
        self.keys = keys
        self.opening = opening
        self.workers = workers
        self.open: dict[tuple[str, int], Work] = {}
        # What waits for the hop's commit: attempts to begin, ends to tell, ends that were told.
        self.starting: list[Work] = []
        self.untold: list[Ended] = []
        self.told: list[Ended] = []
        self.unwritten: list[Work] = []
        # What a former owner left, with when to act on it, by the monotonic clock.
        self.left: list[tuple[float, Left]] = []
        # Nobody else had the shard since: late ends of what the former gave up are ours to tell.
        mine = former is not None and opening.epoch <= former.opening.epoch + 1
        self.ended: queue.SimpleQueue[Ended] = former.ended if former is not None and mine else queue.SimpleQueue()
        self.watched_at = 0.0
        self.take_over(left, former)

    @property
    def open_effects(self) -> int:
        """Attempts that will need a turn."""
        return len(self.open) + len(self.left)

    def full(self, limit: int) -> bool:
        """Whether nothing more should be begun."""
        return len(self.open) >= limit or self.workers.exhausted

    # -- what a former owner left ------------------------------------------------------------------------------------------

    def take_over(self, left: list[Left], former: Outside | None) -> None:
        """Goes on with the attempts of this process, and notes when to act on those of others."""
        ours = former.attempts() if former is not None else {}
        told = {id(work) for work, _ in former.told} if former is not None else set()
        for one in left:
            work = ours.get((*one.place, one.call.attempt, one.token))
            if work is None:
                self.left.append((self.act_at(one), one))
                continue
            self.open[work.place] = work
            waits = work.adopt(self.ended, untold=id(work) in told)
            if one.stopped:
                work.stop(unbegun(work, never_begun(work.call)))
            if waits:
                self.workers.submit(partial(self.perform, work))

    def attempts(self) -> dict[tuple[str, int, int, int], Work]:
        """The attempts that may have an intent, by plan, call, attempt and token."""
        works = [*self.open.values(), *self.starting, *(work for work, _ in self.told)]
        return {(*work.place, work.call.attempt, work.token): work for work in works}

    def act_at(self, one: Left) -> float:
        """When to act on an intent that a former owner left, by the monotonic clock."""
        if one.unread:
            return math.inf
        tool = self.toolset.find(one.call.tool, one.call.contract_version)
        harmless = tool is None or tool.effect == "PURE" or one.call.mode == "RECONCILE"
        same = one.owner == self.opening.replica and tool is not None and tool.effect != "RECONCILABLE"
        return 0.0 if harmless or same else time.monotonic() + one.milliseconds / MILLISECONDS

    def take_up(self) -> None:
        """Acts on intents whose time has come: runs them again, or reports that nobody knows."""
        now = time.monotonic()
        due = [one for at, one in self.left if at <= now]
        self.left = [(at, one) for at, one in self.left if at > now]
        for one in due:
            served = self.toolset.find(one.call.tool, one.call.contract_version)
            # Of a tool that is gone nobody can say what it left behind.
            tool = served or next(iter(self.toolset.tools))
            work = self.work(one.source, one.call, tool, one.value, one.source.meta.recorded_at)
            again = tool.effect in ("PURE", "IDEMPOTENT") and not one.stopped
            if served is not None and (again or one.call.mode == "RECONCILE"):
                work.again = True
                # Its former owner may have been away for longer than the lease lasted, and another one has written since.
                stale = held.stale(self.opening.connection, tool.leases, one.call, one.source.meta)
                if stale is None:
                    self.unwritten.append(work)
                else:
                    self.untold.append((work, unbegun(work, stale)))
                continue
            effect = "IRREVERSIBLE" if served is None else tool.effect
            message = (
                "its tool is not served any more" if served is None else "its tool service died while it may have run"
            )
            self.untold.append((work, unknown(one.call, effect, CRASHED, message)))

    # -- inside the hop ----------------------------------------------------------------------------------------------------

    def work(self, source: InvokeCalls, call: Invocation, tool: Tool, value: bytes, received_at: int) -> Work:
        """An attempt of this owner."""
        allowed = tool.timeout_seconds if tool.heartbeat_seconds is None else tool.heartbeat_seconds
        lease = int(WAITING_AND_RUNNING * allowed * MILLISECONDS)
        token, begin_by = token_of(self.opening.epoch, call.attempt), time.monotonic() + allowed
        return Work(source, call, tool, token, value, received_at, lease, begin_by, self.ended)

    def under_way(self) -> dict[str, Invocation]:
        """The attempts that have not ended, by key."""
        works = [*self.open.values(), *self.starting, *(work for work, _ in self.untold)]
        return {one.key: one for one in (*(one.call for _, one in self.left), *(work.call for work in works))}

    def read(self, call: Invocation) -> None:
        """The invocation of an attempt that is under way was read: what recovery left of it may be acted on."""
        for number, (_, one) in enumerate(self.left):
            if one.unread and one.call.key == call.key:
                intents.read(self.opening, one.place)
                self.left[number] = self.act_at(replace(one, unread=False)), replace(one, unread=False)

    def intend(self, received: Received, call: Invocation, tool: Tool) -> None:
        """An attempt that is to run once its intent is durable."""
        self.unwritten.append(self.work(received.record, call, tool, received.value, received.timestamp_ms))

    def write_intents(self) -> None:
        """Writes the intents of this hop."""
        self.take_up()
        works, self.unwritten = self.unwritten, []
        intents.write(self.opening, works)
        self.starting += works

    def take_ended(self) -> list[Ended]:
        """The attempts that ended since the last time; their intents are removed."""
        out = []
        while not self.ended.empty():
            work, end = self.ended.get()
            out.append((work, end))
            if self.open.get(work.place) is work:
                del self.open[work.place]
        intents.remove(self.opening, ((*work.place, work.call.attempt) for work, _ in out))
        self.told += out
        return out

    def take_reports(self) -> list[Work]:
        """The attempts that said something since the last time; their intents' deadlines move."""
        now = time.monotonic()
        works = [work for work in self.open.values() if self.has_news(work, now)]
        for work in works:
            work.said_at = now
        intents.prolong(self.opening, [work for work in works if work.tool.heartbeat_seconds is not None])
        return works

    def has_news(self, work: Work, now: float) -> bool:
        """Whether an attempt said something that is due to be passed on."""
        running = work.running
        if running is None or work.state != "RUNNING" or work.progress is None or running.beaten <= work.said_at:
            return False
        limit = work.tool.heartbeat_seconds
        return now - work.said_at >= (
            PROGRESS_SECONDS if limit is None else min(PROGRESS_SECONDS, limit / BEATS_PER_LIMIT)
        )

    def stop(self, stopping: StopCalls) -> None:
        """Tells attempts that nobody wants them any more, whoever runs them, and whether or not they have begun."""
        wanted = {(stopping.plan_id, call.index): call for call in stopping.calls}
        works = [*self.open.values(), *self.starting]
        intents.stop(self.opening, ((*place, call.attempt) for place, call in wanted.items()))
        for work in works:
            call = wanted.get(work.place)
            if call is None or (call.key, call.attempt) != (work.call.key, work.call.attempt):
                continue
            if work in self.starting:
                # Not durable yet, so there is no end to tell.
                self.untold.append((work, unbegun(work, never_begun(work.call))))
            else:
                work.stop(unbegun(work, never_begun(work.call)))
        for number, (at, one) in enumerate(self.left):
            call = wanted.get(one.place)
            if call is not None and (call.key, call.attempt) == (one.call.key, one.call.attempt):
                self.left[number] = at, replace(one, stopped=True)

    # -- between hops ------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The hop is durable: effects may start, and ends that followed from it are told by the next one."""
        self.told = []
        starting, self.starting = self.starting, []
        untold, self.untold = self.untold, []
        self.open.update((work.place, work) for work in (*starting, *(work for work, _ in untold)))
        for work, end in untold:
            work.never(end)
        for work in starting:
            self.workers.submit(partial(self.perform, work))

    def ready(self) -> bool:
        """Whether a hop is needed: something ended, said something, or is to be taken up."""
        now = time.monotonic()
        if now - self.watched_at >= WATCH_SECONDS:
            self.watched_at = now
            self.watch()
            if any(at <= now for at, _ in self.left) or any(self.has_news(one, now) for one in self.open.values()):
                return True
        return not self.ended.empty()

    def watch(self) -> None:
        """Ends attempts that wait or take too long or say nothing: a thread cannot be stopped, but nobody waits for it any more."""
        for work in self.open.values():
            if work.state == "WAITING" and work.late:
                end = not_run(work.call, "NOT_BEGUN", "no thread was free within its time", retry=True)
                work.never(unbegun(work, end))
            why = work.running.overdue() if work.running is not None and work.state == "RUNNING" else None
            if why is None:
                continue
            limit = work.tool.heartbeat_seconds if why == HEARTBEAT_LOST else work.tool.timeout_seconds
            message = (
                f"the tool said nothing for {limit:g} seconds"
                if why == HEARTBEAT_LOST
                else (f"the tool took longer than its limit of {limit:g} seconds")
            )
            self.workers.abandon()
            if not work.give_up(unknown(work.call, work.tool.effect, why, message)):
                self.workers.came_back()

    def close(self) -> None:
        """What has not begun does not begin."""
        for work in (*self.open.values(), *self.starting):
            work.drop()

    # -- on a pool's thread ------------------------------------------------------------------------------------------------

    def perform(self, work: Work) -> None:
        """One effect and its end."""
        sealer = Sealer(self.keys, work.source.meta.tenant)
        running = Running(work.tool.timeout_seconds, work.tool.heartbeat_seconds, work.heard, sealer)
        if not work.begin(running):
            return
        self.opening.reach("effect-started")
        end = guard.contain(partial(call_tool, self.toolset, work.call, self.context(work, running), self.workers.loop))
        self.opening.reach("effect-done")
        finished = hidden(end_of(work.call, work.tool.effect, end), sealer)
        if not work.finish(
            FinishedCall(
                *(finished.index, finished.key, finished.attempt, finished.outcome, finished.result),
                *(finished.error, finished.retry, finished.delay_seconds, running.spent, running.milliseconds),
            )
        ):
            self.workers.came_back()

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
            leases=held.tokens_of(call.leases),
            again=work.again,
        )
