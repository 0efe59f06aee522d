"""A tool service's shard: lanes, answers, intents and tokens seen are rows; what runs outside the transaction is lost with its process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from motet.modes import host_of
from motet.records import Failure, FinishedCall, Invocation, StoppedCall
from motet.simulation.judge import Judge
from motet.simulation.lanes import Lane
from motet.simulation.plan_host import PlanHost
from motet.simulation.tools import (
    EFFECTS,
    FAILS,
    FAILS_ONCE,
    FAILS_TWICE,
    UNCLEAR_AFTER,
    UNCLEAR_BEFORE,
    UNDOING,
    UNDOING_FAILS,
    read,
)
from motet.simulation.world import REFUSED, World

TRY_AGAIN = Failure("BUSY", "try again")
NO = Failure("NO", "so it is")
UNCLEAR = Failure("UNCLEAR", "nobody knows")
STOPPED = Failure("STOPPED", "nobody wants it any more")
LATE = Failure("TOO_LATE", "it was to begin before")
ABSENT = Failure("DID_NOT_HAPPEN", "asked, the tool says that it did not happen")
TIMED_OUT = Failure("TIMED_OUT", "the tool took too long")
LOST = Failure("CRASHED", "its process ended")
STALE = Failure("STALE_TOKEN", "a higher token was seen")
INSUFFICIENT = Failure("INSUFFICIENT", "the balance does not allow it")


class Host:
    """One shard of one tool service. `intents` and `answers` are rows; `running` and `ended` are memory."""

    def __init__(self, toolset: str, plan_hosts: Sequence[PlanHost], judge: Judge, world: World) -> None:
        self.toolset = toolset
        self.plan_hosts = {one.name: one for one in plan_hosts}
        self.judge = judge
        self.world = world
        self.inboxes = tuple(one.invocations[toolset] for one in plan_hosts)
        self.results = {one.name: one.results[toolset] for one in plan_hosts}
        # Where there is one host of plans, nobody has to ask which.
        self.only = self.results[plan_hosts[0].name] if len(plan_hosts) == 1 else None
        # By key: the plan, and the attempt. Results by key.
        self.intents: dict[str, tuple[str, Invocation]] = {}
        self.answers: dict[str, str] = {}
        self.running: list[tuple[str, Invocation]] = []
        self.ended: list[tuple[str, FinishedCall]] = []
        # Attempts that were given up, and may come back all the same, with their ends if they have acted.
        self.late: list[tuple[str, Invocation, FinishedCall | None]] = []
        self.stopped: set[tuple[str, int]] = set()
        # Attempts that a former process may have begun.
        self.taken_over: set[tuple[str, int]] = set()
        # The highest token that was seen, by scope and resource.
        self.tokens: dict[tuple[str, str], int] = {}
        self.crashes = 0

    @property
    def behind(self) -> bool:
        """Whether records lie before it."""
        for lane in self.inboxes:
            if lane.behind:
                return True
        return False

    def results_of(self, plan_id: str) -> Any:
        """The lane to a plan's host."""
        return self.only or self.results[host_of(plan_id)]

    # -- the hop -----------------------------------------------------------------------------------------------------------

    def take(self, limit: int, now: int, lanes: Sequence[Lane]) -> int:
        """One hop: publishes what ended, takes invocations from some lanes, runs transactional calls, writes intents."""
        self.publish_ended()
        records = [record for lane in lanes for record in lane.take(limit)]
        for plan_id, invocations, stopped in records:
            if invocations is None:
                self.stop(stopped)
                continue
            ends = []
            for call in invocations:
                end = self.begin(plan_id, call, now)
                if end is not None:
                    ends.append(end)
            if ends:
                self.results_of(plan_id).records.append((plan_id, tuple(ends)))
        for lane in self.results.values():
            lane.publish()
        return len(records)

    def publish_ended(self) -> None:
        """What ended outside is answered, and its intent is gone."""
        for plan_id, end in self.ended:
            intent = self.intents.get(end.key)
            if intent is not None and intent[1].attempt == end.attempt:
                del self.intents[end.key]
            if end.outcome == "SUCCEEDED" and end.result is not None:
                self.answers[end.key] = end.result
            self.results_of(plan_id).records.append((plan_id, (end,)))
        self.ended.clear()

    def begin(self, plan_id: str, call: Invocation, now: int) -> FinishedCall | None:
        """Answers a call at once, runs it here, or writes its intent."""
        key = call.key
        known = self.answers.get(key)
        if known is not None:
            return succeeded(call, known)
        same = self.intents.get(key)
        if same is not None and call.attempt <= same[1].attempt:
            return None
        hindered = self.hindrance(call, now)
        if hindered is not None:
            return hindered
        if EFFECTS[call.tool] == "TRANSACTIONAL":
            end = self.run(plan_id, call)
            if end.outcome == "SUCCEEDED" and end.result is not None:
                self.answers[key] = end.result
            return end
        self.intents[key] = (plan_id, call)
        self.running.append((plan_id, call))
        return None

    def hindrance(self, call: Invocation, now: int) -> FinishedCall | None:
        """The end of an attempt that does not begin: nobody wants it any more, it comes too late, or its lease is somebody else's."""
        if (call.key, call.attempt) in self.stopped:
            return not_wanted(call, STOPPED)
        if call.deadline_at is not None and now >= call.deadline_at:
            return not_wanted(call, LATE)
        if call.leases and call.mode == "RUN" and self.is_stale(call):
            return FinishedCall(call.index, call.key, call.attempt, "FAILED", None, STALE)
        return None

    def is_stale(self, call: Invocation) -> bool:
        """Whether a higher token was seen for a lease that a call runs under; if not, its own are seen now."""
        for one in call.leases:
            if one.token < self.tokens.get((one.scope, one.resource), 0):
                return True
        for one in call.leases:
            self.tokens[one.scope, one.resource] = one.token
        self.judge.acts_under(self.toolset, call)
        return False

    def stop(self, one: StoppedCall) -> None:
        """Nobody wants an attempt any more: it does not begin. One that has acted ends as it would have."""
        self.stopped.add((one.key, one.attempt))
        for place, (plan_id, call) in enumerate(self.running):
            if call.key == one.key and call.attempt <= one.attempt:
                del self.running[place]
                # A former process may have run what this one took over.
                begun = (call.key, call.attempt) in self.taken_over and call.mode == "RUN"
                self.ended.append((plan_id, self.unclear(plan_id, call, LOST) if begun else not_wanted(call, STOPPED)))
                return

    # -- attempts ----------------------------------------------------------------------------------------------------------

    def run_outside(self, place: int) -> tuple[str, FinishedCall]:
        """An attempt that runs outside acts, and ends in this process's memory."""
        plan_id, call = self.running.pop(place)
        end = self.reconcile(plan_id, call) if call.mode == "RECONCILE" else self.run(plan_id, call)
        self.ended.append((plan_id, end))
        return plan_id, end

    def give_up(self, place: int) -> tuple[str, FinishedCall]:
        """An attempt takes too long, and nobody waits for it any more. What does not tell by its key has acted by now, or never will."""
        plan_id, call = self.running.pop(place)
        acted = None
        if call.mode == "RECONCILE" or EFFECTS[call.tool] in ("RECONCILABLE", "IRREVERSIBLE"):
            acted = self.reconcile(plan_id, call) if call.mode == "RECONCILE" else self.run(plan_id, call)
        self.late.append((plan_id, call, acted))
        end = self.unclear(plan_id, call, TIMED_OUT)
        if call.mode == "RECONCILE":
            end = FinishedCall(call.index, call.key, call.attempt, "IN_DOUBT", None, TIMED_OUT, retry=True)
        self.ended.append((plan_id, end))
        return plan_id, end

    def come_back(self, place: int) -> tuple[str, FinishedCall]:
        """An attempt that was given up comes back, and tells its end if it says more than that nobody knows."""
        plan_id, call, acted = self.late.pop(place)
        end = acted or self.run(plan_id, call)
        if end.outcome != "IN_DOUBT":
            self.ended.append((plan_id, end))
        return plan_id, end

    def run(self, plan_id: str, call: Invocation) -> FinishedCall:
        """The tool acts, if it does not fail first."""
        number = read(call.arguments)[2]
        if number >= FAILS:
            if number == FAILS or (number == UNDOING_FAILS and call.tool in UNDOING):
                return FinishedCall(call.index, call.key, call.attempt, "FAILED", None, NO)
            if (number == FAILS_ONCE and call.attempt == 1) or (number == FAILS_TWICE and call.attempt <= 2):  # noqa: PLR2004
                return FinishedCall(call.index, call.key, call.attempt, "FAILED", None, TRY_AGAIN, retry=True)
            if number == UNCLEAR_BEFORE and call.attempt == 1:
                return self.unclear(plan_id, call, UNCLEAR)
        result = self.act(plan_id, call)
        if result == REFUSED:
            return FinishedCall(call.index, call.key, call.attempt, "FAILED", None, INSUFFICIENT)
        if number == UNCLEAR_AFTER and call.attempt == 1 and EFFECTS[call.tool] not in ("TRANSACTIONAL", "PURE"):
            return self.unclear(plan_id, call, UNCLEAR)
        return succeeded(call, result)

    def act(self, plan_id: str, call: Invocation) -> str:
        """The effect. What honours its key has it once, however often it is asked."""
        if EFFECTS[call.tool] == "IDEMPOTENT":
            before = self.world.result_of(call.key)
            if before is not None:
                return before
        watch = self.judge.watches[plan_id]
        host = self.plan_hosts[host_of(plan_id)]
        rank = self.judge.rank(watch, call.index, host.schedule.plans.get(plan_id))
        return self.world.act(call.key, watch, call.index, rank, call.tool, call.arguments)

    def unclear(self, plan_id: str, call: Invocation, why: Failure) -> FinishedCall:
        """It began, and ended without a word about its effect."""
        effect = EFFECTS[call.tool]
        if effect in ("PURE", "TRANSACTIONAL"):
            if (call.key, call.attempt) in self.stopped:
                return not_wanted(call, STOPPED)
            return FinishedCall(call.index, call.key, call.attempt, "FAILED", None, why, retry=True)
        end = FinishedCall(call.index, call.key, call.attempt, "IN_DOUBT", None, why, effect == "IDEMPOTENT")
        self.judge.reported(plan_id, end, call.tool)
        return end

    def reconcile(self, plan_id: str, call: Invocation) -> FinishedCall:
        """The tool is asked whether a call happened."""
        result = self.world.result_of(call.key)
        if result is not None:
            return succeeded(call, result)
        end = FinishedCall(call.index, call.key, call.attempt, "FAILED", None, ABSENT, retry=True)
        self.judge.reported(plan_id, end, call.tool)
        return end

    # -- failures ----------------------------------------------------------------------------------------------------------

    def crash(self, again: int) -> None:
        """The process ends, and what ran is the next one's to find out about."""
        self.crashes += 1
        self.running.clear()
        self.late.clear()
        self.ended.clear()
        for lane in self.results.values():
            lane.publish_again(again)
        for lane in self.inboxes:
            lane.rewind(again)
        for key, (plan_id, call) in list(self.intents.items()):
            effect = EFFECTS[call.tool]
            stopped = (key, call.attempt) in self.stopped
            self.taken_over.add((key, call.attempt))
            if effect == "PURE" and stopped:
                self.ended.append((plan_id, not_wanted(call, STOPPED)))
            elif call.mode == "RECONCILE" or (effect in ("PURE", "IDEMPOTENT") and not stopped):
                # What is run again is fenced again: somebody else may have written since.
                if call.leases and call.mode == "RUN" and self.is_stale(call):
                    self.ended.append((plan_id, self.unclear(plan_id, call, STALE)))
                else:
                    self.running.append((plan_id, call))
            else:
                self.ended.append((plan_id, self.unclear(plan_id, call, LOST)))

    def in_flight(self, key: str) -> bool:
        """Whether something may still come of a call: people who look at the world wait for that."""
        if key in self.intents or any(call.key == key for _, call, _ in self.late):
            return True
        ahead = (record for lane in self.inboxes for record in lane.records[lane.taken :])
        told = (record for lane in self.results.values() for record in lane.records[lane.taken :])
        return any(one.key == key for _, calls, _ in ahead if calls is not None for one in calls) or any(
            end.key == key for _, ends in told for end in ends
        )


def succeeded(call: Invocation, result: str) -> FinishedCall:
    """It happened, and this is its result."""
    return FinishedCall(call.index, call.key, call.attempt, "SUCCEEDED", result, None)


def not_wanted(call: Invocation, why: Failure) -> FinishedCall:
    """The attempt never began and will not. Where it was to ask about a former one, nothing was asked."""
    outcome: Any = "IN_DOUBT" if call.mode == "RECONCILE" else "CANCELLED"
    return FinishedCall(call.index, call.key, call.attempt, outcome, None, why)
