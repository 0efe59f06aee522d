"""The laws of the schedule: one history and one state, however results overtake each other and wherever it is interrupted."""

from __future__ import annotations

import json
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from motet.plan import Contracts, Ended, Limits, Plan, Schedule, Started, admit, from_state, to_state
from motet.records import Failure, FinishedCall, PlannedCall, SubmitPlan
from registers import CONTRACTS, LIMITS, Run, commands, contract, contracts, one_after_another, plan_of

CHANCES = st.randoms(use_true_random=False)


def submit(*calls: PlannedCall, domain: str = "d", isolation: str = "PLAN", key: str = "k") -> SubmitPlan:
    """A command."""
    return SubmitPlan(key, "acme", domain, "agent", isolation, calls, None, None)  # type: ignore[arg-type]


def call(index: int, tool: str = "r.put", key: str = "a", after: tuple[str, ...] = (), n: object = 1) -> PlannedCall:
    """A planned call."""
    return PlannedCall(f"c{index}", tool, None, json.dumps({"key": key, "n": n}), after)


def end_of(plan: Plan, index: int, result: str | None = "1", error: Failure | None = None) -> FinishedCall:
    """The end of a started call."""
    at = plan.calls[index]
    return FinishedCall(index, at.key, at.attempt, "FAILED" if result is None else "SUCCEEDED", result, error)


@settings(max_examples=150)
@given(commands(), CHANCES)
def test_plans_end_as_if_they_ran_one_after_another(submitted: list[SubmitPlan], chance: Random) -> None:
    """P3 and P4: state and histories equal the serial run in log order, whatever overtakes whatever.

    Since all calls stand in line from the beginning, this holds for call isolation as well as long as each state is one register's.
    """
    run = Run(chance.randrange).all_at_once(submitted)
    serial = one_after_another(submitted)
    assert run.histories == serial.histories
    assert run.world == serial.world


@settings(max_examples=100)
@given(commands(), CHANCES)
def test_every_plan_ends_and_commits_in_its_own_order(submitted: list[SubmitPlan], chance: Random) -> None:
    """P1: no plan waits for ever, and calls are committed in topological order, under both isolations."""
    run = Run(chance.randrange).all_at_once(submitted)
    assert run.histories.keys() == {f"p{number}" for number in range(len(submitted))}
    for number, command in enumerate(submitted):
        assert run.commits[f"p{number}"] == plan_of(command, number).order


@settings(max_examples=150)
@given(commands(), st.integers(0, 2**32), CHANCES)
def test_a_restored_schedule_goes_on_as_the_old_one(submitted: list[SubmitPlan], seed: int, chance: Random) -> None:
    """Stopping anywhere and restoring from the rows changes nothing that follows, not even the order in which calls start."""
    first, second = Random(seed), Random(seed)  # noqa: S311  no secret
    straight = Run(first.randrange).all_at_once(submitted)
    stopped = Run(second.randrange, lambda: chance.random() < 0.3).all_at_once(submitted)
    assert stopped.histories == straight.histories
    assert stopped.started == straight.started
    assert stopped.world == straight.world


def test_a_domain_never_waits_for_another() -> None:
    """P7: the same resource name in two domains is two resources; within one it is one."""
    schedule = Schedule(LIMITS, CONTRACTS)
    started = []
    for number, domain in enumerate(["d", "e", "d"]):
        steps = schedule.admit(plan_of(submit(call(0), domain=domain), number))
        started.append([type(step) for step in steps])
    assert started == [[Started], [Started], []]


def test_a_plan_whose_calls_are_skipped_while_they_wait_ends() -> None:
    """A queue may be gone by the time that the plan which once waited there ends."""
    schedule = Schedule(LIMITS, CONTRACTS)
    holder, plan = (
        plan_of(submit(call(0, key="r")), 0),
        plan_of(submit(call(0, key="a"), call(1, key="r", after=("c0",)), call(2, key="b")), 1),
    )
    schedule.admit(holder)
    schedule.admit(plan)
    schedule.finished("p1", [end_of(plan, 0, None)])
    assert plan.calls[1].outcome == "SKIPPED"
    schedule.finished("p0", [end_of(holder, 0)])
    assert [type(step) for step in schedule.finished("p1", [end_of(plan, 2)])][-1] is Ended
    assert not schedule.board.lines.queues.queues


def test_a_call_that_never_ran_holds_nothing() -> None:
    """Else a restored schedule would hold for it what the unbroken one had let go, and give a started call's register away late."""
    schedule = Schedule(LIMITS, CONTRACTS)
    skipping = submit(call(0, key="a"), call(1, key="r", after=("c0",)), call(2, key="b"))
    plans = [plan_of(one, number) for number, one in enumerate([submit(call(0, key="r")), skipping])]
    plans += [plan_of(submit(call(0, key="r")), number) for number in (2, 3)]
    for plan in plans:
        schedule.admit(plan)
    schedule.finished("p1", [end_of(plans[1], 0, None)])
    schedule.finished("p0", [end_of(plans[0], 0)])
    assert plans[2].calls[0].status == "STARTED"
    restored = Schedule.restore([from_state(to_state(plan)) for plan in plans[1:]], LIMITS, CONTRACTS)
    assert restored.plans["p2"].calls[0].granted
    for one in (schedule, restored):
        assert [type(step) for step in one.finished("p2", [end_of(plans[2], 0)])][-1] is Started


def test_a_call_that_is_granted_and_skipped_in_one_step_ends_its_plan() -> None:
    """The reference leads nowhere: the call fails, the one behind it gets its register and is skipped at once, and the plan ends."""
    schedule = Schedule(LIMITS, CONTRACTS)
    broken = {"$result": {"call": "c0", "pointer": "/nowhere"}}
    plan = plan_of(submit(call(0, key="x"), call(1, n=broken), call(2, after=("c1",))))
    schedule.admit(plan)
    assert [type(step) for step in schedule.finished("p0", [end_of(plan, 0)])][-1] is Ended
    assert [one.outcome for one in plan.calls] == ["SUCCEEDED", "FAILED", "SKIPPED"]


def test_which_of_two_calls_failed_first_is_not_in_the_history() -> None:
    """P4: a skipped call names all that it came after."""
    histories = set()
    for order in ((0, 1), (1, 0)):
        schedule = Schedule(LIMITS, CONTRACTS)
        plan = plan_of(submit(call(0, key="a"), call(1, key="b"), call(2, key="c", after=("c0", "c1"))))
        schedule.admit(plan)
        for index in order:
            schedule.finished("p0", [end_of(plan, index, None)])
        assert plan.calls[2].error == Failure(
            "DEPENDENCY_FAILED", "one of c0, c1 did not succeed, and this call comes after it"
        )
        histories.add(plan.terminal(LIMITS))
    assert len(histories) == 1


def test_results_of_no_started_call_change_nothing() -> None:
    """Unknown plan, index out of range, another key, another attempt, a repeat."""
    schedule = Schedule(LIMITS, CONTRACTS)
    plan = plan_of(submit(call(0), call(1)))
    schedule.admit(plan)
    good = end_of(plan, 0)
    before = to_state(plan)
    assert schedule.finished("p9", [good]) == []
    for wrong in (
        FinishedCall(5, good.key, 1, "SUCCEEDED", "1", None),
        FinishedCall(-1, good.key, 1, "SUCCEEDED", "1", None),
        FinishedCall(0, "other", 1, "SUCCEEDED", "1", None),
        FinishedCall(0, good.key, 2, "SUCCEEDED", "1", None),
        FinishedCall(1, good.key, 1, "SUCCEEDED", "1", None),
    ):
        assert schedule.finished("p0", [wrong]) == []
    assert to_state(plan) == before
    assert schedule.finished("p0", [good])


def resolved(result: str, limits: Limits = LIMITS, known: Contracts = CONTRACTS) -> Plan:
    """A plan whose second call takes the whole result of the first."""
    schedule = Schedule(limits, known)
    plan = admit(submit(call(0), call(1, key="b", n={"$result": {"call": "c0"}})), "p0", 100, known, limits, 0)
    assert isinstance(plan, Plan)
    schedule.admit(plan)
    schedule.finished("p0", [end_of(plan, 0, result)])
    return plan


def test_an_earlier_result_is_filled_in() -> None:
    """As canonical JSON, with the digest and the key of what really runs."""
    plan = resolved('{"z":1,"a":2.0}')
    assert plan.calls[1].arguments == '{"key":"b","n":{"a":2,"z":1}}'
    assert plan.calls[1].status == "STARTED"
    assert plan.calls[1].key == plan.key_of(1, plan.calls[1])
    # A result that looks like a reference is data.
    assert resolved('{"$result":{"call":"c9"}}').calls[1].status == "STARTED"


def test_a_result_that_does_not_fit_fails_the_call() -> None:
    """No JSON, nested without end, too large, or against the schema: a failure that says so, never a crash."""
    assert resolved("{").calls[1].error == Failure(
        "BAD_REFERENCE", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
    )
    for depth in (100, 100_000):
        plan = resolved("[" * depth + "]" * depth)
        assert plan.ended
        assert plan.calls[1].outcome == "FAILED"
    large = resolved('"' + "x" * 1_000 + '"', Limits(argument_bytes=500)).calls[1].error
    assert large is not None
    assert (large.code, "the limit is 500" in large.message) == ("TOO_LARGE", True)
    strict = contracts(
        contract("r.put", [("register:{key}", "WRITE")], {"properties": {"n": {"type": "integer"}}}, version=2)
    )
    against = resolved('"' + "x" * 10_000 + '"', known=strict).calls[1].error
    assert against is not None
    assert against.code == "ARGUMENTS_INVALID"
    assert len(against.message) <= LIMITS.error_bytes


def test_a_tools_error_is_made_fit_for_an_event() -> None:
    """Every call of a plan may have one, so each is bounded, also when it is written as JSON; no NUL, no lone surrogate."""
    for message in ("x" * 10_000, "\x01" * 10_000, "é" * 10_000, "\ud800\0" * 5_000, "😀" * 5_000, '"' * 10_000):
        plan = plan_of(submit(call(0)))
        schedule = Schedule(LIMITS, CONTRACTS)
        schedule.admit(plan)
        schedule.finished("p0", [end_of(plan, 0, None, Failure("C" * 1_000, message))])
        error = plan.calls[0].error
        assert error is not None
        assert len(error.code) == 64
        assert len(json.dumps(error.message, ensure_ascii=False).encode()) <= LIMITS.error_bytes + 2
        assert "\0" not in error.message
    plan = plan_of(submit(call(0)))
    schedule = Schedule(LIMITS, CONTRACTS)
    schedule.admit(plan)
    schedule.finished("p0", [end_of(plan, 0, None)])
    assert plan.calls[0].error == Failure("FAILED", "the tool gave no reason")


def test_a_result_beyond_its_limit_fails_the_call() -> None:
    """Whoever sent it."""
    schedule = Schedule(Limits(result_bytes=10), CONTRACTS)
    plan = plan_of(submit(call(0)))
    schedule.admit(plan)
    schedule.finished("p0", [end_of(plan, 0, '"' + "x" * 9 + '"')])
    assert plan.calls[0].error == Failure("RESULT_TOO_LARGE", "the result has 11 bytes; the limit is 10")
