"""A toolset of registers with a world behind it: what the laws of plans, schedules and admission are tried on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hypothesis import strategies as st

from motet.plan import Committed, Contracts, Ended, Limits, Plan, Schedule, Started, Step, admit, from_state, to_state
from motet.records import (
    ClaimMode,
    ClaimTemplate,
    FinishedCall,
    Invocation,
    Isolation,
    Meta,
    PlannedCall,
    SubmitPlan,
    ToolContract,
)

LIMITS: Final = Limits()
META: Final = Meta("e", "c", "", "", "", 0, 0, None)
KEYED: Final = {
    "type": "object",
    "properties": {"key": {"type": "string"}, "n": {}},
    "required": ["key"],
    "additionalProperties": False,
}
# A call with this number fails, and has had its effect all the same.
UNLUCKY: Final = 7
# What each tool does to its register, or to all of them; adding commutes with adding, and multiplying with multiplying.
TOOLS: Final[dict[str, ClaimTemplate]] = {
    "put": ClaimTemplate("register:{key}", "WRITE"),
    "append": ClaimTemplate("register:{key}", "WRITE"),
    "get": ClaimTemplate("register:{key}", "READ"),
    "add": ClaimTemplate("register:{key}", "COMMUTE"),
    "multiply": ClaimTemplate("register:{key}", "COMMUTE", "multiply"),
    "pick": ClaimTemplate("register:{key}", "READ"),
    "survey": ClaimTemplate("register:*", "READ"),
    "clear": ClaimTemplate("{domain}", "WRITE"),
}


def contract(
    name: str,
    claims: Sequence[tuple[str, ClaimMode] | tuple[str, ClaimMode, str]] = (),
    schema: Any = KEYED,
    version: int = 1,
) -> ToolContract:
    """A published contract."""
    templates = tuple(ClaimTemplate(*one) for one in claims)
    return ToolContract(
        *(META, name, version, name.partition(".")[0], "", "TRANSACTIONAL", json.dumps(schema), "{}"),
        templates,
        *(30.0, "sha"),
    )


def contracts(*more: ToolContract) -> Contracts:
    """The registers' tools; and others if a test needs them."""
    out = Contracts()
    for name, one in TOOLS.items():
        out.add(contract(f"r.{name}", [(one.template, one.mode, one.operation)]))
    for extra in more:
        out.add(extra)
    return out


CONTRACTS: Final = contracts()


@dataclass
class World:
    """The registers of all domains, as the tools see them."""

    values: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    sums: dict[tuple[str, str], int] = field(default_factory=dict)

    def run(self, plan: Plan, call: Invocation) -> FinishedCall:
        """Runs one call: the state moves when it runs, not when its result is reported."""
        arguments = json.loads(call.arguments)
        place, number = (plan.domain, arguments["key"]), arguments.get("n", 0)
        number = number if isinstance(number, int) else len(json.dumps(number))
        kind = call.tool.removeprefix("r.")
        result: object = None
        if kind == "put":
            self.values[place] = [number]
        elif kind == "append":
            self.values.setdefault(place, []).append(number)
            result = len(self.values[place])
        elif kind == "get":
            result = [list(self.values.get(place, [])), self.sums.get(place, 0)]
        elif kind == "pick":
            result = "abc"[self.sums.get(place, 0) % 3]
        elif kind == "add":
            self.sums[place] = self.sums.get(place, 0) + number
        elif kind == "multiply":
            self.sums[place] = self.sums.get(place, 0) * number
        elif kind == "survey":
            result = [self.of_domain(plan.domain, self.values), self.of_domain(plan.domain, self.sums)]
        else:
            for registers in (self.values, self.sums):
                for one in self.of_domain(plan.domain, registers):
                    del registers[plan.domain, one]
        outcome, text = (
            ("FAILED", None) if number == UNLUCKY else ("SUCCEEDED", json.dumps(result, separators=(",", ":")))
        )
        return FinishedCall(call.index, call.key, call.attempt, outcome, text, None)  # type: ignore[arg-type]

    @staticmethod
    def of_domain(domain: str, registers: dict[tuple[str, str], Any]) -> dict[str, Any]:
        """The registers of one domain."""
        return {key: json.loads(json.dumps(registers[of, key])) for of, key in sorted(registers) if of == domain}


@st.composite
def commands(draw: st.DrawFn) -> list[SubmitPlan]:
    """A few plans over few registers in two domains, with edges and references backwards, some of which lead nowhere."""
    out = []
    for number in range(draw(st.integers(1, 4))):
        calls: list[PlannedCall] = []
        for index in range(draw(st.integers(1, 5))):
            tool: str = draw(st.sampled_from([*TOOLS, "pick", "pick"]))
            value: object = draw(st.integers(0, 9))
            before: set[int] = set()
            if index:
                before = draw(st.sets(st.integers(0, index - 1), max_size=3))
            refers: bool = draw(st.booleans())
            if before and refers:
                pointer = draw(st.sampled_from(["", "/0", "/1", "/0/0"]))
                value = {"$result": {"call": f"c{min(before)}", "pointer": pointer}}
            key: object = draw(st.sampled_from("abc"))
            picks = [one for one in sorted(before) if calls[one].tool == "r.pick"]
            elsewhere: bool = draw(st.booleans())
            if picks and elsewhere:
                key = {"$result": {"call": f"c{picks[0]}"}}
            arguments = json.dumps({"key": key, "n": value})
            after = tuple(f"c{one}" for one in sorted(before))
            calls.append(PlannedCall(f"c{index}", f"r.{tool}", None, arguments, after))
        isolation: Isolation = draw(st.sampled_from(["PLAN", "CALL"]))
        domain = draw(st.sampled_from(["d", "d", "d", "e"]))
        out.append(SubmitPlan(f"k{number}", "acme", domain, "agent", isolation, tuple(calls), None, None))
    return out


def plan_of(command: SubmitPlan, number: int = 0) -> Plan:
    """An admitted plan."""
    plan = admit(command, f"p{number}", 100, CONTRACTS, LIMITS, 0)
    assert isinstance(plan, Plan), plan
    return plan


class Run:
    """A schedule with tools behind it: calls run and report in whatever order `choose` picks.

    `interrupt` says before each step whether the process dies there: the schedule is then restored from the rows.
    """

    def __init__(self, choose: Callable[[int], int], interrupt: Callable[[], bool] = lambda: False) -> None:
        self.schedule = Schedule(LIMITS, CONTRACTS)
        self.world = World()
        self.choose = choose
        self.interrupt = interrupt
        self.to_run: list[tuple[Plan, Invocation]] = []
        self.to_report: list[tuple[str, FinishedCall]] = []
        self.histories: dict[str, tuple[object, ...]] = {}
        self.commits: dict[str, list[int]] = {}
        self.started: list[tuple[str, int]] = []
        self.rows: dict[str, str] = {}

    def take(self, steps: list[Step]) -> None:
        """Notes what follows, and writes down what the schedule says has changed, as the coordinator does."""
        for plan in self.schedule.take_changed():
            self.rows[plan.plan_id] = to_state(plan)
            if plan.finished:
                del self.rows[plan.plan_id]
        for step in steps:
            match step:
                case Started(plan, invocations):
                    self.to_run += [(plan, call) for call in invocations]
                    self.started += [(plan.plan_id, call.index) for call in invocations]
                case Committed(plan, calls):
                    self.commits.setdefault(plan.plan_id, []).extend(call.index for call in calls)
                case Ended(plan):
                    assert plan.plan_id not in self.histories
                    self.histories[plan.plan_id] = plan.terminal(LIMITS)

    def restored(self) -> Schedule:
        """What a new process would have."""
        return Schedule.restore([from_state(row) for row in self.rows.values()], LIMITS, CONTRACTS)

    def step(self) -> bool:
        """Runs or reports one call; False if nothing is left."""
        if self.interrupt():
            self.schedule = self.restored()
        size = len(self.to_run) + len(self.to_report)
        if not size:
            return False
        at = self.choose(size)
        if at < len(self.to_run):
            plan, call = self.to_run.pop(at)
            self.to_report.append((plan.plan_id, self.world.run(plan, call)))
        else:
            plan_id, end = self.to_report.pop(at - len(self.to_run))
            self.take(self.schedule.finished(plan_id, [end]))
            # A result that comes again changes nothing.
            assert self.schedule.finished(plan_id, [end]) == []
        return True

    def all_at_once(self, submitted: list[SubmitPlan]) -> Run:
        """All plans in, then everything in the order chosen."""
        for number, command in enumerate(submitted):
            self.take(self.schedule.admit(plan_of(command, number)))
        while self.step():
            pass
        assert not self.schedule.plans
        assert not self.schedule.board.lines.queues.queues
        assert not self.schedule.board.lines.queues.standing
        return self


def one_after_another(submitted: list[SubmitPlan]) -> Run:
    """The serial run: each plan alone, each call alone, in order."""
    run = Run(lambda size: size - 1)
    for number, command in enumerate(submitted):
        plan = plan_of(command, number)
        run.take(run.schedule.admit(plan))
        while run.to_run:
            run.to_run.sort(key=lambda entry: plan.order.index(entry[1].index))
            _, call = run.to_run.pop(0)
            run.take(run.schedule.finished(plan.plan_id, [run.world.run(plan, call)]))
    return run
