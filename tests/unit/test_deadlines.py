"""Times of calls and plans: decided by the log's time when a timer comes back, never by a clock of the decider."""

from __future__ import annotations

import pytest

from faults import Desk, call, outcomes
from motet.plan.alarms import FEW
from motet.records import BarrierRaised, Policy


def test_a_call_whose_time_is_over_is_told_and_may_still_answer() -> None:
    """After its time it has that for an answer; what it says then is its end, and no further attempt follows."""
    for answer, expected in (("SUCCEEDED", "SUCCEEDED"), ("FAILED", "FAILED NO")):
        desk = Desk()
        plan = desk.submit(call("pay"))
        desk.wait(99.9)
        assert desk.stopped(plan) == []
        desk.wait(0.1)
        assert (desk.stopped(plan), plan.ended) == ([0], False)
        desk.end(plan, 0, answer, None if answer == "SUCCEEDED" else "NO", retry=answer == "FAILED")  # type: ignore[arg-type]
        assert outcomes(plan) == [expected]
        assert desk.nothing_left()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("look", "FAILED NO_ANSWER"),
        ("move", "IN_DOUBT NO_ANSWER"),
        ("pay", "IN_DOUBT NO_ANSWER"),
        ("book", "IN_DOUBT NO_ANSWER"),
        ("mail", "IN_DOUBT NO_ANSWER"),
    ],
)
def test_a_call_that_never_answers_has_an_end(name: str, expected: str) -> None:
    """Only what is pure certainly left nothing."""
    desk = Desk()
    plan = desk.submit(call(name), policy=Policy(in_doubt="END"))
    desk.wait(115)
    assert (outcomes(plan), len(desk.sent())) == ([expected], 1)


def test_a_call_that_is_asked_about_after_its_time_has_the_time_of_an_answer() -> None:
    """Being asked about begins no new time: the plan does not wait for ever."""
    desk = Desk()
    plan = desk.submit(call("book"), policy=Policy(in_doubt="END"))
    desk.wait(105)
    desk.lose(plan, 0)
    assert desk.sent()[1:] == [(0, 2, "RECONCILE")]
    desk.wait(20)
    assert outcomes(plan) == ["IN_DOUBT NO_ANSWER"]


def test_a_plan_ends_by_its_time() -> None:
    """What runs is told, what waits never starts, what is in doubt stays in doubt; the history says why."""
    desk = Desk()
    plan = desk.submit(
        call("pay", "a"),
        call("mail", "b"),
        call("pay", "c", [0]),
        call("ask", "d"),
        policy=Policy(deadline_seconds=40.0),
    )
    desk.lose(plan, 1)
    desk.wait(39.9)
    assert not plan.ended
    desk.wait(0.1)
    [barrier] = desk.facts(BarrierRaised)
    assert (barrier["cause"], barrier["running"], barrier["not_started"]) == ("DEADLINE", (0,), (2, 3))
    assert outcomes(plan) == [
        "CANCELLED DEADLINE_EXCEEDED",
        "IN_DOUBT TIMED_OUT",
        "SKIPPED DEPENDENCY_FAILED",
        "CANCELLED DEADLINE_EXCEEDED",
    ]
    assert (plan.outcome, plan.remaining) == ("IN_DOUBT", (1,))


def test_a_call_between_attempts_is_in_doubt_when_its_plans_time_is_over() -> None:
    """If one may have happened; the plan ends all the same, also if it would wait for a call in doubt."""
    desk = Desk()
    plan = desk.submit(call("pay"), policy=Policy(deadline_seconds=3.0))
    desk.lose(plan, 0, retry=True, delay_seconds=10.0)
    desk.wait(3)
    assert (plan.outcome, outcomes(plan)) == ("IN_DOUBT", ["IN_DOUBT IN_DOUBT"])


def test_a_cancelled_plan_that_waits_for_a_doubt_ends_by_its_time() -> None:
    """Also then: one terminal event, one barrier."""
    desk = Desk()
    plan = desk.submit(call("mail"), policy=Policy(deadline_seconds=40.0))
    desk.lose(plan, 0)
    desk.cancel(plan)
    desk.wait(40)
    assert (plan.outcome, outcomes(plan)) == ("IN_DOUBT", ["IN_DOUBT TIMED_OUT"])
    assert [fact["cause"] for fact in desk.facts(BarrierRaised)] == ["CANCEL"]


def test_a_timer_that_is_early_or_comes_again_changes_nothing() -> None:
    """Whether something is due is decided by the time of the record."""
    desk = Desk()
    plan = desk.submit(call("pay"), call("ask", "b"))
    steps, row = len(desk.steps), desk.rows["p0"]
    for _ in range(3):
        desk.ring(plan)
    assert (len(desk.steps), desk.rows["p0"]) == (steps, row)
    assert len(desk.schedule.alarms.take(desk.schedule.plans, desk.now + 10**9)) == 1


def test_a_plan_is_looked_at_when_the_first_of_its_times_is_over() -> None:
    """Approval, attempt, call or plan, whichever is first."""
    desk = Desk()
    plan = desk.submit(call("pay"), call("ask", "b"), policy=Policy(deadline_seconds=70.0))
    assert plan.alarm == desk.now + 50_000
    desk.fail(plan, 0, retry=True)
    assert plan.alarm == plan.calls[0].due
    desk.wait(50)
    assert plan.alarm == desk.now + 20_000


def test_alarms_of_plans_that_ended_are_dropped() -> None:
    """What is kept follows the open plans."""
    desk = Desk()
    for _ in range(FEW + 50):
        plan = desk.submit(call("note"))
        desk.succeed(plan, 0)
    assert len(desk.schedule.alarms.heap) <= FEW + 1
