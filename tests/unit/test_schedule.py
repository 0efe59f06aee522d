"""The laws of the schedule: one history and one state, however results overtake each other and wherever it is interrupted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from motet.plan import Committed, Contracts, Ended, Limits, Plan, Schedule, Started, Step, admit
from motet.records import (
    ClaimTemplate,
    FinishedCall,
    Invocation,
    Isolation,
    Meta,
    PlannedCall,
    Reason,
    SubmitPlan,
    ToolContract,
)

LIMITS = Limits()
META = Meta("e", "c", "", "", "", 0, 0, None)
KEYED = {
    "type": "object",
    "properties": {"key": {"type": "string"}, "n": {}},
    "required": ["key"],
    "additionalProperties": False,
}


def contracts() -> Contracts:
    """A toolset of registers: put and append write, get reads, add commutes."""
    out = Contracts()
    for name, mode in (("put", "WRITE"), ("append", "WRITE"), ("get", "READ"), ("add", "COMMUTE")):
        claims = (ClaimTemplate("register:{key}", mode),)  # type: ignore[arg-type]
        out.add(
            ToolContract(META, f"r.{name}", 1, "r", "", "TRANSACTIONAL", json.dumps(KEYED), "{}", claims, 30.0, "sha")
        )
    return out


CONTRACTS = contracts()


@dataclass
class World:
    """The registers, as the tools see them."""

    values: dict[str, list[int]] = field(default_factory=dict)
    sums: dict[str, int] = field(default_factory=dict)

    def run(self, call: Invocation) -> FinishedCall:
        """Runs one call: the state moves when it runs, not when its result is reported."""
        arguments = json.loads(call.arguments)
        key, number = arguments["key"], arguments.get("n", 0)
        number = number if isinstance(number, int) else len(json.dumps(number))
        kind = call.tool.removeprefix("r.")
        result: object = None
        if kind == "put":
            self.values[key] = [number]
        elif kind == "append":
            self.values.setdefault(key, []).append(number)
            result = len(self.values[key])
        elif kind == "get":
            result = [list(self.values.get(key, [])), self.sums.get(key, 0)]
        else:
            self.sums[key] = self.sums.get(key, 0) + number
        failed = number == 7 and kind == "add"
        return FinishedCall(
            call.index,
            call.key,
            call.attempt,
            "FAILED" if failed else "SUCCEEDED",
            None if failed else json.dumps(result, separators=(",", ":")),
            None,
        )


@st.composite
def commands(draw: st.DrawFn) -> list[SubmitPlan]:
    """A few plans over few registers, with edges and references backwards."""
    out = []
    for number in range(draw(st.integers(1, 4))):
        calls = []
        for index in range(draw(st.integers(1, 5))):
            tool = draw(st.sampled_from(["put", "append", "get", "add"]))
            value: object = draw(st.integers(0, 9))
            before = draw(st.sets(st.integers(0, index - 1), max_size=2)) if index else set()
            if before and draw(st.booleans()):
                value = {"$result": {"call": f"c{min(before)}"}}
            arguments = json.dumps({"key": draw(st.sampled_from("ab")), "n": value})
            calls.append(
                PlannedCall(f"c{index}", f"r.{tool}", None, arguments, tuple(f"c{one}" for one in sorted(before)))
            )
        isolation: Isolation = draw(st.sampled_from(["PLAN", "CALL"]))
        out.append(SubmitPlan(f"k{number}", "acme", "d", "agent", isolation, tuple(calls), None, None))
    return out


def plan_of(command: SubmitPlan, number: int) -> Plan:
    """An admitted plan."""
    plan = admit(command, f"p{number}", 100, CONTRACTS, LIMITS)
    assert isinstance(plan, Plan), plan
    return plan


class Run:
    """A schedule with tools behind it: calls run and report in whatever order `choose` picks."""

    def __init__(self, choose: Callable[[int], int], interrupt: Callable[[], bool] = lambda: False) -> None:
        self.schedule = Schedule(LIMITS, CONTRACTS)
        self.world = World()
        self.choose = choose
        self.interrupt = interrupt
        self.to_run: list[tuple[str, Invocation]] = []
        self.to_report: list[tuple[str, FinishedCall]] = []
        self.histories: dict[str, tuple[object, ...]] = {}
        self.commits: dict[str, list[int]] = {}
        self.rows: dict[str, str] = {}

    def take(self, steps: list[Step]) -> None:
        """Notes what follows, and writes down what the schedule says has changed, as the coordinator does."""
        for plan in self.schedule.take_changed():
            self.rows[plan.plan_id] = plan.to_state()
            if plan.ended:
                del self.rows[plan.plan_id]
        for step in steps:
            match step:
                case Started(plan, invocations):
                    self.to_run += [(plan.plan_id, call) for call in invocations]
                case Committed(plan, calls):
                    self.commits.setdefault(plan.plan_id, []).extend(call.index for call in calls)
                case Ended(plan):
                    assert plan.plan_id not in self.histories
                    self.histories[plan.plan_id] = plan.terminal(LIMITS)

    def step(self) -> bool:
        """Runs or reports one call; False if nothing is left."""
        if self.interrupt():
            plans = [Plan.from_state(row) for row in self.rows.values()]
            self.schedule = Schedule.restore(plans, LIMITS, CONTRACTS)
        size = len(self.to_run) + len(self.to_report)
        if not size:
            return False
        at = self.choose(size)
        if at < len(self.to_run):
            plan_id, call = self.to_run.pop(at)
            self.to_report.append((plan_id, self.world.run(call)))
        else:
            plan_id, end = self.to_report.pop(at - len(self.to_run))
            self.take(self.schedule.finished(plan_id, [end]))
            assert self.schedule.finished(plan_id, [end]) == []
        return True

    def all_at_once(self, submitted: list[SubmitPlan]) -> Run:
        """All plans in, then everything in the order chosen."""
        for number, command in enumerate(submitted):
            self.take(self.schedule.admit(plan_of(command, number)))
        while self.step():
            pass
        assert not self.schedule.plans
        assert not self.schedule.queues.queues
        return self


def one_after_another(submitted: list[SubmitPlan]) -> Run:
    """The serial run: each plan alone, each call alone, in order."""
    run = Run(lambda size: size - 1)
    for number, command in enumerate(submitted):
        run.take(run.schedule.admit(plan_of(command, number)))
        while run.to_run:
            run.to_run.sort(key=lambda entry: entry[1].index)
            plan_id, call = run.to_run.pop(0)
            run.take(run.schedule.finished(plan_id, [run.world.run(call)]))
    return run


@settings(max_examples=150)
@given(commands(), st.randoms(use_true_random=False))
def test_plans_end_as_if_they_ran_one_after_another(submitted: list[SubmitPlan], random: object) -> None:
    """P3 and P4: under plan isolation state and histories equal the serial run in log order, whatever overtakes whatever."""
    isolated = [
        SubmitPlan(*(one.idempotency_key, one.tenant, one.domain, one.agent), "PLAN", one.calls, None, None)
        for one in submitted
    ]
    run = Run(lambda size: random.randrange(size)).all_at_once(isolated)  # type: ignore[attr-defined]
    serial = one_after_another(isolated)
    assert run.histories == serial.histories
    assert run.world == serial.world


@settings(max_examples=100)
@given(commands(), st.randoms(use_true_random=False))
def test_every_plan_ends_and_commits_in_its_own_order(submitted: list[SubmitPlan], random: object) -> None:
    """P1: no plan waits for ever, and calls are committed in topological order, under both isolations."""
    run = Run(lambda size: random.randrange(size)).all_at_once(submitted)  # type: ignore[attr-defined]
    assert run.histories.keys() == {f"p{number}" for number in range(len(submitted))}
    for number, command in enumerate(submitted):
        assert run.commits[f"p{number}"] == plan_of(command, number).order


@settings(max_examples=100)
@given(commands(), st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_a_restored_schedule_goes_on_as_the_old_one(submitted: list[SubmitPlan], seed: int, random: object) -> None:
    """Stopping anywhere and restoring from the open plans changes nothing that follows."""
    import random as randomness

    first, second = randomness.Random(seed), randomness.Random(seed)
    straight = Run(lambda size: first.randrange(size)).all_at_once(submitted)
    stopped = Run(lambda size: second.randrange(size), lambda: random.random() < 0.3).all_at_once(submitted)  # type: ignore[attr-defined]
    assert stopped.histories == straight.histories
    assert stopped.world == straight.world


def reasons(*calls: PlannedCall, limits: Limits = LIMITS, size_bytes: int = 100) -> set[str]:
    """The codes with which a plan is refused."""
    command = SubmitPlan("k", "acme", "d", "agent", "PLAN", calls, None, None)
    answer = admit(command, "p", size_bytes, CONTRACTS, limits)
    assert not isinstance(answer, Plan)
    assert all(isinstance(reason, Reason) and reason.message for reason in answer)
    return {reason.code for reason in answer}


def call(
    arguments: str = '{"key":"a"}',
    name: str = "c0",
    tool: str = "r.get",
    version: int | None = None,
    after: tuple[str, ...] = (),
) -> PlannedCall:
    """A planned call, right unless told otherwise."""
    return PlannedCall(name, tool, version, arguments, after)


def test_all_reasons_are_given_at_once() -> None:
    """A plan with several faults is refused with each of them."""
    faulty = [
        call("{}", "c0"),
        call(name="c0"),
        call(name="c1", tool="r.gte"),
        call(name="c2", version=9),
        call('{"key":NaN}', "c3"),
        call('{"key":"\\ud800"}', "c4"),
        call('{"key":"a","n":12345678901234567890}', "c5"),
        call(name="c6", after=("c7",)),
        call(name="c7", after=("c6", "nobody")),
        call('{"key":"a","n":{"$result":{"call":"absent"}}}', "c8"),
        call('{"key":{"$result":{"call":"c0"}}}', "c9"),
        call('{"key":"a","key":"b"}', "c10"),
        call('{"key":"a","n":{"$result":3}}', "c11"),
        call("", ""),
    ]
    assert reasons(*faulty) == {
        "ARGUMENTS_INVALID",
        "DUPLICATE_CALL_ID",
        "UNKNOWN_TOOL",
        "UNKNOWN_CONTRACT_VERSION",
        "ARGUMENTS_NOT_JSON",
        "CYCLE",
        "UNKNOWN_AFTER",
        "UNKNOWN_REFERENCE",
        "RESOURCE_NOT_KNOWN",
        "BAD_REFERENCE",
        "BAD_IDENTIFIER",
    }


def test_limits_are_answers() -> None:
    """Too many calls, too large a command and too deep arguments are reasons, not crashes."""
    assert reasons(*[call(name=f"c{n}") for n in range(10_000)]) == {"TOO_MANY_CALLS"}
    assert reasons(call(), size_bytes=2_000_000) == {"TOO_LARGE"}
    assert reasons(call('{"key":"a","n":' + "[" * 100 + "]" * 100 + "}")) == {"ARGUMENTS_NOT_JSON"}
    assert reasons(call('{"key":"a","n":' + "[" * 100_000 + "]" * 100_000 + "}")) == {"ARGUMENTS_NOT_JSON"}
    assert reasons() == {"EMPTY_PLAN"}


@given(
    st.lists(
        st.builds(
            PlannedCall,
            st.text(),
            st.sampled_from(["r.get", "r.put", ""]),
            st.none() | st.integers(),
            st.text() | st.sampled_from(['{"key":"a"}', '{"key":{"$result":{"call":""}}}', "[]"]),
            st.lists(st.text(max_size=2), max_size=2).map(tuple),
        ),
        max_size=4,
    )
)
def test_admission_never_raises(calls: list[PlannedCall]) -> None:
    """Whatever stands in a command, the answer is a plan or reasons."""
    command = SubmitPlan("k", "acme", "d", "agent", "PLAN", tuple(calls), None, None)
    answer = admit(command, "p", 100, CONTRACTS, LIMITS)
    assert isinstance(answer, Plan) or answer
