"""A shard of a host of plans, the coordinator or the agents' service: the real schedule, hosted by a model of the hop.

What is not committed is lost, what is committed is published again.

Rows are written only when they are needed: before a hop that is to be rolled back, and when a process ends. In a careful run they are written
at every commit, as the schedule says what changed, and a restored schedule must be the one that lives.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from motet.modes import AGENTS, COORDINATOR
from motet.plan import (
    Committed,
    Ended,
    Fact,
    Plan,
    Reservation,
    Schedule,
    Started,
    Stopped,
    Undoing,
    Word,
    direct,
    from_state,
    to_state,
)
from motet.plan.breaker import Breaker
from motet.plan.direct import set_budget
from motet.plan.rows import ledger_fields, ledger_from, reservation_from, reservation_state
from motet.records import (
    BudgetChanged,
    GiveBackLeases,
    QuarantineResources,
    Reason,
    ReleaseResources,
    ReserveResources,
    ResourcesGranted,
    ResourcesRefused,
    SetBudget,
    TakeLeases,
)
from motet.simulation.inputs import TENANT, Asked
from motet.simulation.judge import Judge
from motet.simulation.lanes import Lane
from motet.simulation.saying import said
from motet.simulation.shard import Shard
from motet.simulation.tools import CONTRACTS, LIMITS, TOOLSETS
from motet.simulation.violations import Violation

REUSED: Final = (Reason("KEY_REUSED", "the key was used with other content", None),)
# A careful run compares all rows with all plans once in so many commits, and whenever its process ends.
EVERYTHING: Final = 8
OPEN, REJECTED, ENDED = "OPEN", "REJECTED", "ENDED"
Reserved = dict[str, tuple[int, str]]
# By idempotency key: content, plan, status, and the reasons of a rejection.
Answers = dict[str, tuple[Any, str, str, Any]]
Rows = tuple[list[str], dict[Any, str], dict[str, tuple[int, int, str]], Reserved, Answers, int]


class PlanHost(Shard):
    """One shard. Its journal holds every input that it committed, and its time in the log."""

    doors = 1

    def __init__(
        self, judge: Judge, name: str = COORDINATOR, *, careful: bool = False, keeps: bool = False, twin: bool = False
    ) -> None:
        super().__init__()
        self.judge = judge
        self.name = name
        of = "" if name == COORDINATOR else f" of {name}"
        self.door = Lane(f"commands{of}")
        self.results = {toolset: Lane(f"results of {toolset}{of}") for toolset in TOOLSETS}
        self.timers = Lane(f"timers{of}")
        self.invocations = {toolset: Lane(f"invocations of {toolset}{of}") for toolset in TOOLSETS}
        self.events = Lane(f"events{of}")
        # What it tells the other host of plans, and what it asks the lease service; `hears` and `granted` are the ways back.
        self.words = Lane(f"words{of}")
        self.asks = Lane(f"lease requests{of}")
        self.hears = Lane(f"words to {name}")
        self.granted = Lane(f"lease grants{of}")
        self.inputs = (self.door, self.timers, *self.results.values())
        self.outputs = (self.events, self.timers, *self.invocations.values())
        self.schedule = Schedule(LIMITS, CONTRACTS)
        self.commands: Answers = {}
        self.position = 0
        self.careful = careful
        self.rows: dict[str, str] = {}
        self.reserved: Reserved = {}
        self.commits = 0
        self.journal: list[tuple[int, str, Any]] | None = [] if keeps else None
        self.published: list[str] | None = [] if keeps else None
        # By plan: what its terminal event says, if that is to be compared with another run.
        self.histories: dict[str, str] | None = {} if twin else None

    def talks_to(self, other: PlanHost) -> None:
        """What each of two says, the other one hears."""
        other.hears = self.words
        self.hears = other.words
        for host in (self, other):
            host.inputs, host.outputs = (*host.inputs, host.hears), (*host.outputs, host.words)

    def takes_leases(self) -> None:
        """There is a lease service to ask."""
        self.inputs, self.outputs = (*self.inputs, self.granted), (*self.outputs, self.asks)

    # -- the hop -----------------------------------------------------------------------------------------------------------

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
            elif lane is self.hears:
                self.hear(*record)
            elif lane is self.granted:
                self.follow(schedule.leases(record))
            else:
                self.follow(schedule.finished(*record))

    def commit(self) -> None:
        """What changed is in the rows, and what follows is in the outbox."""
        changed = self.schedule.take_changed()
        if self.careful:
            self.write(changed)
        super().commit()

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
        reserved = {one.plan_id: row_of(one) for one in self.schedule.board.lines.reservations.values()}
        if self.careful and reserved != self.reserved:
            raise Violation("P4", "the reservations that the lines said had changed are not all that changed")
        return states, ledgers, breakers, reserved, dict(self.commands), self.position

    def write(self, changed: list[Plan]) -> None:
        """A careful run's rows: what the schedule says has changed."""
        for plan in changed:
            if plan.finished:
                self.rows.pop(plan.plan_id, None)
            else:
                self.rows[plan.plan_id] = to_state(plan)
        lines = self.schedule.board.lines
        reserved, lines.reservations_changed = lines.reservations_changed, {}
        for plan_id, one in reserved.items():
            self.reserved.pop(plan_id, None)
            if one is not None:
                self.reserved[plan_id] = row_of(one)
        self.commits += 1
        if self.commits % EVERYTHING == 0:
            self.written()

    def restore(self, rows: Rows) -> None:
        """A new process has what the rows say."""
        self.crashes += 1
        states, ledgers, breakers, reserved, self.commands, self.position = rows
        plans = [from_state(state) for state in states]
        stand = [reservation_from(plan_id, *row) for plan_id, row in reserved.items()]
        self.schedule = Schedule.restore(plans, LIMITS, CONTRACTS, stand)
        guards = self.schedule.board.guards
        guards.ledgers.update((owner, ledger_from(*json.loads(row))) for owner, row in ledgers.items())
        guards.breakers.update((name, Breaker(*columns)) for name, columns in breakers.items())
        if self.careful:
            # Entries are counted anew.
            self.rows = {plan.plan_id: to_state(plan) for plan in self.schedule.plans.values()}
            self.reserved = {one.plan_id: row_of(one) for one in stand}

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
            refusal = self.schedule.quarantined(plan) or self.schedule.crowded(plan) if template.wild else None
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

    # -- between hosts -----------------------------------------------------------------------------------------------------

    def hear(self, domain: str, word: Any) -> None:
        """What the other host says of a plan."""
        schedule, known = self.schedule, word.keywords
        plan_id = known["plan_id"]
        if word.func is ReserveResources:
            asked = Reservation(plan_id, TENANT, domain, known["claims"], "e", "c", None, known["deadline_at"])
            if not self.doomed:
                self.judge.reserved(plan_id, self.position)
            self.follow(schedule.reserve(asked, known["quarantine"]))
        elif word.func is QuarantineResources:
            self.follow(schedule.quarantine(plan_id, known["call_id"]))
        elif word.func is ReleaseResources:
            self.follow(schedule.release(plan_id))
        elif word.func is ResourcesGranted:
            self.follow(schedule.granted(plan_id))
        elif word.func is ResourcesRefused:
            self.follow(schedule.refused(plan_id, known["code"], known["message"]))
        else:
            raise Violation("P1", f"{self.name} hears {word.func.__name__} of plan {plan_id}, which nobody answers")

    # -- what follows ------------------------------------------------------------------------------------------------------

    def follow(self, steps: list[Any]) -> None:
        """Each step becomes records, and the judge sees it."""
        if self.doomed:
            return
        for step in steps:
            TELLERS[type(step)](self, step.plan, step)
        if self.published is not None:
            self.published += [said(step) for step in steps]
        judge = self.judge
        if not judge.silent and self.name != AGENTS:
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

    def word(self, plan: Plan | Reservation, step: Word) -> None:
        """Something for the other host, or for the lease service."""
        if step.record.func in (TakeLeases, GiveBackLeases):
            if step.record.func is GiveBackLeases:
                self.judge.given_back.add((plan.plan_id, step.record.keywords["scope"]))
            self.out.append((self.asks, (plan.domain, step.record)))
        else:
            self.out.append((self.words, (plan.domain, step.record)))

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


# Functions and not methods of one: a run that left cycles behind would have to be looked through for them.
TELLERS: Final[dict[type[Any], Callable[[PlanHost, Any, Any], None]]] = {
    Started: PlanHost.started,
    Committed: PlanHost.committed,
    Ended: PlanHost.ended,
    Fact: PlanHost.noted,
    Stopped: PlanHost.stopped,
    Undoing: PlanHost.undone,
    Word: PlanHost.word,
}


def row_of(reservation: Reservation) -> tuple[int, str]:
    """A reservation as its row has it."""
    return reservation.entered, reservation_state(reservation)
