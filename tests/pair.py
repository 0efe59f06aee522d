"""Two hosts of plans and the words between them, on one world of registers: what the laws of the modes are tried on.

The coordinator has orchestrated plans and the lines, the agents' service has the others. Calls run and report, words arrive and processes die
in whatever order is chosen; only each way between the two keeps its order, as a lane does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from motet.modes import AGENTS, COORDINATOR, host_of
from motet.plan import Contracts, Ended, Plan, Reservation, Schedule, Started, Step, Word, admit, from_state, to_state
from motet.plan.rows import reservation_from, reservation_state
from motet.records import (
    FinishedCall,
    Invocation,
    Mode,
    QuarantineResources,
    ReleaseResources,
    ReserveResources,
    ResourcesGranted,
    SubmitPlan,
)
from registers import CONTRACTS, LIMITS, World

MARKS: Final[dict[Mode, str]] = {"ORCHESTRATED": "", "HYBRID": "-h", "CHOREOGRAPHED": "-c"}


def plan_of(command: SubmitPlan, number: int, mode: Mode, known: Contracts = CONTRACTS) -> Plan:
    """An admitted plan of a mode."""
    plan = admit(replace(command, mode=mode), f"p{number}{MARKS[mode]}", 100, known, LIMITS, 0)
    assert isinstance(plan, Plan), plan
    return plan


@dataclass
class Host:
    """One schedule, its rows, and what it is sent."""

    schedule: Schedule
    rows: dict[str, str] = field(default_factory=dict)
    reserved: dict[str, tuple[int, str]] = field(default_factory=dict)
    words: deque[tuple[Plan | Reservation, Any]] = field(default_factory=deque)

    def save(self) -> None:
        """Writes what changed."""
        for plan in self.schedule.take_changed():
            self.rows[plan.plan_id] = to_state(plan)
            if plan.finished:
                del self.rows[plan.plan_id]
        lines = self.schedule.board.lines
        changed, lines.reservations_changed = lines.reservations_changed, {}
        for plan_id, one in changed.items():
            self.reserved.pop(plan_id, None)
            if one is not None:
                self.reserved[plan_id] = (one.entered, reservation_state(one))

    def die(self) -> None:
        """A new process has what the rows say."""
        known = self.schedule.board.contracts
        plans = [from_state(row) for row in self.rows.values()]
        reserved = [reservation_from(plan_id, *row) for plan_id, row in self.reserved.items()]
        self.schedule = Schedule.restore(plans, LIMITS, known, reserved)

    @property
    def idle(self) -> bool:
        """Whether nothing of anybody is left."""
        lines = self.schedule.board.lines
        left = (self.schedule.plans, self.rows, self.reserved, self.words, lines.reservations, lines.queues.queues)
        return not any(left) and not lines.queues.standing


class Pair:
    """Both hosts, the tools, and what came of it. `order` is that of the lines: when each plan stood in them."""

    def __init__(
        self, choose: Callable[[int], int], interrupt: Callable[[], bool] = lambda: False, known: Contracts = CONTRACTS
    ) -> None:
        self.hosts = {name: Host(Schedule(LIMITS, known)) for name in (COORDINATOR, AGENTS)}
        self.world = World()
        self.choose, self.interrupt = choose, interrupt
        self.to_run: list[tuple[Plan, Invocation]] = []
        self.to_report: list[tuple[str, FinishedCall]] = []
        self.histories: dict[str, tuple[object, ...]] = {}
        self.order: list[str] = []
        self.said: list[tuple[str, str]] = []

    def take(self, host: Host, steps: Sequence[Step]) -> None:
        """Notes what follows of an input."""
        host.save()
        for step in steps:
            match step:
                case Started(plan, invocations):
                    self.to_run += [(plan, call) for call in invocations]
                case Ended(plan):
                    assert plan.plan_id not in self.histories
                    self.histories[plan.plan_id] = plan.terminal(LIMITS)
                case Word(plan, record):
                    other = self.hosts[AGENTS if host is self.hosts[COORDINATOR] else COORDINATOR]
                    other.words.append((plan, record))
                    self.said.append((plan.plan_id, record.func.__name__))

    def admit(self, plan: Plan) -> None:
        """A plan comes in at its host."""
        if host_of(plan.plan_id) == COORDINATOR:
            self.order.append(plan.plan_id)
        host = self.hosts[host_of(plan.plan_id)]
        self.take(host, host.schedule.admit(plan))

    def hear(self, host: Host) -> None:
        """The next word of a lane."""
        plan, word = host.words.popleft()
        schedule, known = host.schedule, word.keywords
        if word.func is ReserveResources:
            self.order.append(plan.plan_id)
            asked = Reservation(plan.plan_id, plan.tenant, plan.domain, known["claims"], "e", "c", None, 0)
            self.take(host, schedule.reserve(asked, known["quarantine"]))
        elif word.func is QuarantineResources:
            self.take(host, schedule.quarantine(plan.plan_id, known["call_id"]))
        elif word.func is ReleaseResources:
            self.take(host, schedule.release(plan.plan_id))
        elif word.func is ResourcesGranted:
            self.take(host, schedule.granted(plan.plan_id))
        else:
            self.take(host, schedule.refused(plan.plan_id, known["code"], known["message"]))

    def step(self) -> bool:
        """One thing happens; False if nothing is left."""
        for host in self.hosts.values():
            if self.interrupt():
                host.die()
        talking = [host for host in self.hosts.values() if host.words]
        size = len(self.to_run) + len(self.to_report) + len(talking)
        if not size:
            return False
        at = self.choose(size)
        if at < len(talking):
            self.hear(talking[at])
        elif (at := at - len(talking)) < len(self.to_run):
            plan, call = self.to_run.pop(at)
            self.to_report.append((plan.plan_id, self.world.run(plan, call)))
        else:
            plan_id, end = self.to_report.pop(at - len(self.to_run))
            host = self.hosts[host_of(plan_id)]
            self.take(host, host.schedule.finished(plan_id, [end]))
        return True

    def run(self, plans: Sequence[Plan]) -> Pair:
        """Plans come in one after the other, with other things between them, until nothing is left."""
        waiting = deque(plans)
        while True:
            if waiting and self.choose(2):
                self.admit(waiting.popleft())
            elif not self.step():
                if not waiting:
                    break
                self.admit(waiting.popleft())
        assert all(host.idle for host in self.hosts.values())
        return self
