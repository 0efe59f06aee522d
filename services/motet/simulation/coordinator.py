"""A coordinator's shard: the real schedule, hosted by a model of the hop. What is not committed is lost, what is committed is published again.

Rows are written only when they are needed: before a hop that is to be rolled back, and when a process ends. In a careful run they are written
at every commit, as the schedule says what changed, and a restored schedule must be the one that lives.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from motet.plan import (
    Committed,
    Ended,
    Fact,
    Plan,
    Schedule,
    Started,
    Stopped,
    Undoing,
    direct,
    from_state,
    to_state,
)
from motet.plan.breaker import Breaker
from motet.plan.direct import set_budget
from motet.plan.rows import ledger_fields, ledger_from
from motet.records import BudgetChanged, CommittedCall, Invocation, Reason, SetBudget
from motet.simulation.inputs import Asked, Template
from motet.simulation.judge import Judge
from motet.simulation.lanes import Lane
from motet.simulation.tools import CONTRACTS, LIMITS, TOOLSETS
from motet.simulation.violations import Violation

REUSED: Final = (Reason("KEY_REUSED", "the key was used with other content", None),)
# A careful run compares all rows with all plans once in so many commits, and whenever its process ends.
EVERYTHING: Final = 8
OPEN, REJECTED, ENDED = "OPEN", "REJECTED", "ENDED"
Rows = tuple[list[str], dict[Any, str], dict[str, tuple[int, int, str]]]


class Coordinator:
    """One shard. Its journal holds every input that it committed, and its time in the log."""

    def __init__(self, judge: Judge, *, careful: bool = False, keeps: bool = False, twin: bool = False) -> None:
        self.judge = judge
        self.door = Lane("commands")
        self.results = {toolset: Lane(f"results of {toolset}") for toolset in TOOLSETS}
        self.timers = Lane("timers")
        self.invocations = {toolset: Lane(f"invocations of {toolset}") for toolset in TOOLSETS}
        self.events = Lane("events")
        self.inputs = (self.door, self.timers, *self.results.values())
        self.outputs = (self.events, self.timers, *self.invocations.values())
        self.schedule = Schedule(LIMITS, CONTRACTS)
        # By idempotency key: content, plan, status, and the reasons of a rejection.
        self.commands: dict[str, tuple[Any, str, str, Any]] = {}
        self.position = 0
        self.out: list[tuple[Lane, Any]] = []
        self.careful = careful
        self.rows: dict[str, str] = {}
        self.commits = 0
        self.journal: list[tuple[int, str, Any]] | None = [] if keeps else None
        self.published: list[str] | None = [] if keeps else None
        # By plan: what its terminal event says, if that is to be compared with another run.
        self.histories: dict[str, str] | None = {} if twin else None
        self.doomed = False
        self.crashes = 0
        self.tellers: dict[type[Any], Callable[[Plan, Any], None]] = {
            Started: self.started,
            Committed: self.committed,
            Ended: self.ended,
            Fact: self.noted,
            Stopped: self.stopped,
            Undoing: self.undone,
        }

    # -- the hop -----------------------------------------------------------------------------------------------------------

    def take(self, lane: Lane, limit: int, now: int) -> int:
        """One hop: takes records of a lane, decides, commits, publishes. How many records it took."""
        records = lane.take(limit)
        self.decide(lane, records, now)
        self.commit()
        self.publish()
        return len(records)

    def decide(self, lane: Lane, records: list[Any], now: int) -> None:
        """Gives records to the schedule, one after the other."""
        schedule, door, timers = self.schedule, self.door, self.timers
        schedule.board.now = now
        for record in records:
            self.position += 1
            if self.journal is not None and not self.doomed:
                self.journal.append((now, lane.name, record))
            if lane is door:
                self.command(record, now)
            elif lane is timers:
                self.follow(schedule.ring(record))
            else:
                self.follow(schedule.finished(*record))

    def commit(self) -> None:
        """What changed is in the rows, and what follows is in the outbox."""
        changed = self.schedule.take_changed()
        if self.careful:
            self.write(changed)
        for lane, record in self.out:
            lane.records.append(record)
        self.out.clear()

    def publish(self) -> None:
        """The outbox goes to the partitions."""
        for lane in self.outputs:
            if lane.published != len(lane.records):
                lane.publish()

    def lose_hop(self, lane: Lane, limit: int, now: int) -> int:
        """A hop that is decided and dies before its commit: nothing of it is left."""
        rows, place, commands, position = self.written(), lane.place(), dict(self.commands), self.position
        self.doomed = True
        records = lane.take(limit)
        self.decide(lane, records, now)
        self.doomed = False
        self.out.clear()
        lane.back_to(place)
        self.commands, self.position = commands, position
        self.restore(rows)
        return len(records)

    def die_committed(self, lane: Lane, limit: int, now: int, again: int) -> int:
        """A hop that dies behind its commit: the next process publishes what it wrote, and some of what was published before."""
        records = lane.take(limit)
        self.decide(lane, records, now)
        self.commit()
        self.restart(again)
        return len(records)

    def restart(self, again: int) -> None:
        """The process ends and another one takes over: memory is read from the rows, the outbox is published from the watermark on."""
        self.restore(self.written())
        for lane in self.outputs:
            lane.publish_again(again)
        for lane in self.inputs:
            if lane is not self.door:
                lane.rewind(again)

    # -- rows --------------------------------------------------------------------------------------------------------------

    def written(self) -> Rows:
        """Every row, as the last commit left them."""
        guards = self.schedule.board.guards
        plans = sorted(self.schedule.plans.values(), key=lambda plan: (plan.sequence, plan.plan_id))
        states = [to_state(plan) for plan in plans]
        if self.careful and dict(zip((plan.plan_id for plan in plans), states, strict=True)) != self.rows:
            raise Violation("P4", "the rows that the schedule said had changed are not all that changed")
        ledgers = {owner: json.dumps(ledger_fields(one)) for owner, one in guards.ledgers.items()}
        breakers = {name: (one.failures, one.until, one.probe) for name, one in guards.breakers.items()}
        return states, ledgers, breakers

    def write(self, changed: list[Plan]) -> None:
        """A careful run's rows: what the schedule says has changed."""
        for plan in changed:
            if plan.finished:
                self.rows.pop(plan.plan_id, None)
            else:
                self.rows[plan.plan_id] = to_state(plan)
        self.commits += 1
        if self.commits % EVERYTHING == 0:
            self.written()

    def restore(self, rows: Rows) -> None:
        """A new process has what the rows say."""
        self.crashes += 1
        states, ledgers, breakers = rows
        self.schedule = Schedule.restore([from_state(state) for state in states], LIMITS, CONTRACTS)
        guards = self.schedule.board.guards
        guards.ledgers.update((owner, ledger_from(*json.loads(row))) for owner, row in ledgers.items())
        guards.breakers.update((name, Breaker(*columns)) for name, columns in breakers.items())
        if self.careful:
            # Entries are counted anew.
            self.rows = {plan.plan_id: to_state(plan) for plan in self.schedule.plans.values()}

    # -- commands ----------------------------------------------------------------------------------------------------------

    def command(self, asked: Asked, now: int) -> None:
        """One command from the door. The first answer to a key counts; a repeat gets it again."""
        template = asked.template
        if template is None:
            self.direct(asked)
            return
        key = template.command.idempotency_key
        known = self.commands.get(key)
        if known is not None:
            self.tell(("repeated", known[1], known[3]) if known[0] is template else ("rejected", asked, REUSED))
            return
        if asked.kind == "reuse":
            # Its key was not used before after all, so it is an ordinary command.
            asked = Asked("submit", template)
        reasons: Any = template.reasons
        plan = None
        if template.plan is not None:
            plan = template.fresh(now)
            refusal = self.schedule.quarantined(plan) if template.wild else None
            reasons = (refusal,) if refusal is not None else ()
        if plan is None or reasons:
            self.commands[key] = (template, template.plan_id, REJECTED, reasons)
            self.tell(("rejected", asked, reasons))
            return
        self.commands[key] = (template, template.plan_id, OPEN, None)
        if not self.doomed:
            self.judge.admitted(template, self.position)
        self.follow(self.schedule.admit(plan))

    def direct(self, asked: Asked) -> None:
        """A command about something that is there."""
        command = asked.command
        if isinstance(command, SetBudget):
            ledger = set_budget(self.schedule, command)
            if isinstance(ledger, Reason):
                self.tell(("refused", asked, ledger))
                return
            self.tell(("done", asked, BudgetChanged))
            self.follow(self.schedule.steps())
            return
        answer = direct(self.schedule, command)
        if isinstance(answer, Reason):
            self.tell(("refused", asked, answer))
        else:
            self.tell(("done", asked, None))
            self.follow(answer)

    def tell(self, event: Any) -> None:
        """An event that is about no open plan."""
        if not self.doomed:
            self.out.append((self.events, event))
            if self.published is not None:
                self.published.append(
                    f"{event[0]} {event[1] if isinstance(event[1], str) else event[1].kind} {event[2]}"
                )

    # -- what follows ------------------------------------------------------------------------------------------------------

    def follow(self, steps: list[Any]) -> None:
        """Each step becomes records, and the judge sees it."""
        if self.doomed:
            return
        tellers = self.tellers
        for step in steps:
            tellers[type(step)](step.plan, step)
        if self.published is not None:
            self.published += [said(step) for step in steps]
        judge = self.judge
        if not judge.silent:
            for plan in self.schedule.board.changed.values():
                if len(plan.entered) > 1 or plan.plan_id in judge.special:
                    judge.entered(plan, self.position)

    def started(self, plan: Plan, step: Started) -> None:
        """Attempts begin."""
        self.judge.started(plan, step.invocations)
        self.send(plan.plan_id, step.invocations)

    def committed(self, plan: Plan, step: Committed) -> None:
        """Calls take their place in the history."""
        self.judge.commit(plan, step.calls)

    def ended(self, plan: Plan, _: Ended) -> None:
        """A plan ends."""
        self.judge.end(plan)
        if self.histories is not None:
            self.histories[plan.plan_id] = repr(plan.terminal(LIMITS))
        self.out.append((self.events, ("ended", plan.plan_id, None)))

    def noted(self, plan: Plan, step: Fact) -> None:
        """An event of another kind."""
        self.judge.fact(plan, step.record.func, step.record.keywords)

    def stopped(self, plan: Plan, step: Stopped) -> None:
        """Calls are told that nobody wants them any more."""
        self.out += [(self.invocations[toolset], (plan.plan_id, None, one)) for toolset, one in step.calls]

    def undone(self, plan: Plan, step: Undoing) -> None:
        """An attempt of a compensation begins."""
        self.judge.undo(plan, step.index, step.invocation)
        self.send(plan.plan_id, (step.invocation,))

    def send(self, plan_id: str, invocations: tuple[Any, ...]) -> None:
        """Attempts go to their toolsets."""
        if len(invocations) == 1:
            toolset = invocations[0].tool[:4]
            self.out.append((self.invocations[toolset], (plan_id, invocations, None)))
            return
        by_toolset: dict[str, list[Any]] = {}
        for one in invocations:
            by_toolset.setdefault(one.tool[:4], []).append(one)
        for toolset, calls in by_toolset.items():
            self.out.append((self.invocations[toolset], (plan_id, tuple(calls), None)))

    # -- time --------------------------------------------------------------------------------------------------------------

    def fire(self, clock: int) -> int:
        """Timers that are due by this machine's clock become records. How many."""
        due = self.schedule.alarms.take(self.schedule.plans, clock)
        for plan_id, _ in due:
            self.timers.records.append(plan_id)
        self.timers.publish()
        return len(due)


def said(step: Any) -> str:
    """A step as text, all that its record would say."""
    plan = step.plan
    if isinstance(step, Ended):
        return f"{plan.plan_id} {plan.terminal(LIMITS)}"
    if isinstance(step, Fact):
        return f"{plan.plan_id} {step.record.func.__name__} {step.record.keywords}"
    if isinstance(step, Started):
        return f"{plan.plan_id} {step.invocations}"
    if isinstance(step, Committed):
        return f"{plan.plan_id} {step.calls}"
    if isinstance(step, Stopped):
        return f"{plan.plan_id} {step.calls} {step.reason}"
    return f"{plan.plan_id} {step.index} {step.invocation}"


class Silent(Judge):
    """A judge of a replay: what is published is compared, nothing else."""

    silent = True

    def admitted(self, template: Template, position: int) -> None:
        """Says nothing."""

    def started(self, plan: Plan, invocations: Sequence[Invocation]) -> None:
        """Says nothing."""

    def undo(self, plan: Plan, index: int, invocation: Invocation) -> None:
        """Says nothing."""

    def commit(self, plan: Plan, calls: Sequence[CommittedCall]) -> None:
        """Says nothing."""

    def end(self, plan: Plan) -> None:
        """Says nothing."""

    def fact(self, plan: Plan, kind: Any, values: dict[str, Any]) -> None:
        """Says nothing."""

    def entered(self, plan: Plan, position: int) -> None:
        """Says nothing."""


def compare_replay(of: Coordinator) -> None:
    """Feeds a new process the same inputs in the same order. Raises Violation (P4) where it publishes anything else."""
    again = Coordinator(Silent(of.judge.world), keeps=True)
    lanes = {lane.name: lane for lane in again.inputs}
    for now, name, record in of.journal or ():
        again.decide(lanes[name], [record], now)
        again.commit()
    found, expected = again.published or [], of.published or []
    for place, (one, other) in enumerate(zip(expected, found, strict=False)):
        if one != other:
            raise Violation("P4", f"replayed, record {place} is {other[:300]}, and was {one[:300]}")
    if len(found) != len(expected):
        raise Violation("P4", f"replayed, {len(found)} records are published; there were {len(expected)}")
