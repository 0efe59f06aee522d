"""Batch policies and barriers: what one call's end means for its siblings, and what cancelling does at each moment of a call."""

from __future__ import annotations

from typing import Any

import pytest

from faults import Desk, call, outcomes
from motet.plan import Started, Stopped
from motet.records import Amounts, ApprovalDecided, AttemptsEnded, BarrierRaised, CommittedCall, Isolation, Policy

FAIL_FAST = Policy(batch="FAIL_FAST")


def quorum(number: int, **more: Any) -> Policy:
    """So many calls are enough."""
    return Policy(batch="QUORUM", quorum=number, **more)


def test_collect_all_waits_for_every_call() -> None:
    """A failure means nothing to its siblings."""
    desk = Desk()
    plan = desk.submit(call("pay", "a"), call("pay", "b"), call("pay", "b"))
    desk.fail(plan, 0)
    desk.succeed(plan, 1, 2)
    assert (outcomes(plan), plan.outcome) == (["FAILED NO", "SUCCEEDED", "SUCCEEDED"], "FAILED")
    assert not desk.facts(BarrierRaised)


def test_a_call_behind_a_failed_one_is_skipped_and_names_it() -> None:
    """And so is one behind the skipped one, unless the plan goes on."""
    desk = Desk()
    plan = desk.submit(call("pay", "a"), call("pay", "b", [0]), call("pay", "c", [1]))
    desk.fail(plan, 0)
    assert outcomes(plan) == ["FAILED NO", "SKIPPED DEPENDENCY_FAILED", "SKIPPED DEPENDENCY_FAILED"]
    assert plan.outcome == "FAILED"


def test_a_plan_that_goes_on_skips_only_what_needs_the_result() -> None:
    """`continue` runs a call behind a failed one, and skips one that takes its result."""
    desk = Desk()
    needs = {"$result": {"call": "c0"}}
    plan = desk.submit(
        call("pay", "a"), call("pay", "b", [0]), call("pay", "c", [0], needs), policy=Policy(on_failure="CONTINUE")
    )
    desk.fail(plan, 0)
    desk.succeed(plan, 1)
    assert outcomes(plan) == ["FAILED NO", "SUCCEEDED", "SKIPPED DEPENDENCY_FAILED"]
    assert plan.outcome == "FAILED"


def test_fail_fast_stops_siblings_at_the_first_failure() -> None:
    """What runs is told, what waits never starts, what succeeded keeps its place; the barrier says which is which."""
    desk = Desk()
    plan = desk.submit(call("pay", "a"), call("pay", "b"), call("pay", "b"), call("pay", "c"), policy=FAIL_FAST)
    desk.succeed(plan, 3)
    desk.fail(plan, 0)
    [barrier] = desk.facts(BarrierRaised)
    assert (barrier["cause"], barrier["not_started"], barrier["running"]) == ("FAIL_FAST", (2,), (1,))
    assert outcomes(plan) == ["FAILED NO", "CANCELLED SIBLING_FAILED", "CANCELLED SIBLING_FAILED", "SUCCEEDED"]
    assert (plan.outcome, desk.stopped(plan)) == ("FAILED", [1])
    desk.succeed(plan, 1)
    assert desk.nothing_left()


def test_the_last_failure_raises_no_barrier() -> None:
    """There is nobody left to stop."""
    desk = Desk()
    plan = desk.submit(call("pay"), policy=FAIL_FAST)
    desk.fail(plan, 0)
    assert not desk.facts(BarrierRaised)


def test_a_barrier_tells_only_what_began() -> None:
    """A call that fails in the step in which its sibling starts: the start is said first, else its stop would come before it."""
    desk = Desk()
    plan = desk.submit(
        call("note"), call("buy"), call("note"), policy=Policy(batch="FAIL_FAST", budget=Amounts(cost_micros=1))
    )
    kinds = [type(step) for step in desk.steps if isinstance(step, Started | Stopped)]
    assert kinds == [Started, Stopped]
    assert desk.sent() == [(0, 1, "RUN")]
    assert outcomes(plan)[2] == "CANCELLED SIBLING_FAILED"


def test_a_quorum_is_enough() -> None:
    """Once so many succeeded the others are stopped, and the plan has succeeded."""
    desk = Desk()
    plan = desk.submit(call("pay", "a"), call("pay", "b"), call("pay", "c"), policy=quorum(2))
    desk.succeed(plan, 2)
    assert not plan.ended
    desk.succeed(plan, 0)
    assert (outcomes(plan), plan.outcome) == (["SUCCEEDED", "CANCELLED QUORUM_DECIDED", "SUCCEEDED"], "SUCCEEDED")


def test_a_quorum_that_cannot_be_reached_stops_the_others() -> None:
    """Skipped calls count as those that cannot succeed any more."""
    desk = Desk()
    plan = desk.submit(call("pay", "a"), call("pay", "b", [0]), call("pay", "c"), policy=quorum(2))
    desk.fail(plan, 0)
    assert outcomes(plan) == ["FAILED NO", "SKIPPED DEPENDENCY_FAILED", "CANCELLED QUORUM_DECIDED"]
    assert plan.outcome == "FAILED"


def test_a_quorum_with_a_call_in_doubt_waits_for_it() -> None:
    """It may still turn out to have succeeded."""
    desk = Desk()
    plan = desk.submit(call("mail", "a"), call("pay", "b"), policy=quorum(1))
    desk.lose(plan, 0)
    desk.fail(plan, 1)
    assert not plan.ended
    desk.settle(plan, 0, "HAPPENED", "1")
    assert plan.outcome == "SUCCEEDED"


def test_a_late_success_is_recorded_and_not_merged() -> None:
    """The history says cancelled, whatever came of the call."""
    desk = Desk()
    plan = desk.submit(call("pay", "a"), call("pay", "b"), policy=FAIL_FAST)
    desk.fail(plan, 0)
    before = plan.terminal(desk.limits)
    desk.end(plan, 1, result="7")
    late = desk.facts(AttemptsEnded)[-1]["attempts"][0]
    assert (late.late, late.outcome, late.result, late.next) == (True, "SUCCEEDED", "7", "NONE")
    assert plan.terminal(desk.limits) == before
    assert desk.nothing_left()


@pytest.mark.parametrize("isolation", ["PLAN", "CALL"])
def test_what_a_stopped_call_uses_stays_its_own_until_it_answers(isolation: Isolation) -> None:
    """The plan has ended, and another plan waits for the account on which the call may still work."""
    desk = Desk()
    plan = desk.submit(call("pay", "a"), call("pay", "b"), policy=FAIL_FAST, isolation=isolation)
    other = desk.submit(call("pay", "b"))
    free = desk.submit(call("pay", "a"))
    desk.fail(plan, 0)
    assert plan.ended
    assert (desk.sent(free), desk.sent(other)) == ([(0, 1, "RUN")], [])
    desk.end(plan, 1, "CANCELLED")
    assert desk.sent(other) == [(0, 1, "RUN")]


@pytest.mark.parametrize("name", ["look", "pay"])
def test_a_stopped_call_that_never_answers_is_given_up(name: str) -> None:
    """After its time and that for an answer: what is pure is over, what is not is in doubt and keeps its account."""
    desk = Desk()
    plan = desk.submit(call(name, "b"))
    desk.cancel(plan)
    other = desk.submit(call("pay", "b"))
    desk.wait(114.9)
    assert not desk.sent(other)
    desk.wait(0.2)
    assert bool(desk.sent(other)) == (name == "look")
    assert (plan.calls[0].lingers, outcomes(plan)) == ("" if name == "look" else "IN_DOUBT", ["CANCELLED CANCELLED"])


# -- cancelling at each moment -------------------------------------------------------------------------------------------------


def test_cancelled_while_it_waits() -> None:
    """For an account, for another call, for a person, between attempts: it never starts, and the person need not decide."""
    desk = Desk()
    holder = desk.submit(call("pay", "a"))
    plan = desk.submit(call("pay", "a"), call("pay", "b"), call("note", after=[1]), call("ask", "c"))
    desk.fail(plan, 1, retry=True)
    assert desk.cancel(plan) == ""
    assert outcomes(plan) == [
        "CANCELLED CANCELLED",
        "CANCELLED CANCELLED",
        "SKIPPED DEPENDENCY_FAILED",
        "CANCELLED CANCELLED",
    ]
    assert [one["decision"] for one in desk.facts(ApprovalDecided)] == ["WITHDRAWN"]
    assert (plan.outcome, desk.stopped(plan)) == ("CANCELLED", [])
    assert desk.approve(plan, 3) == "UNKNOWN_PLAN"
    desk.succeed(holder, 0)
    desk.wait(1_000)
    assert desk.sent(plan) == [(1, 1, "RUN")]
    assert desk.nothing_left()


def test_cancelled_while_it_runs() -> None:
    """It is told, its place in the history says cancelled, and its end is recorded."""
    desk = Desk()
    plan = desk.submit(call("pay"))
    desk.cancel(plan)
    assert (plan.outcome, outcomes(plan), desk.stopped(plan)) == ("CANCELLED", ["CANCELLED CANCELLED"], [0])
    desk.end(plan, 0, "CANCELLED", "STOPPED")
    assert desk.facts(AttemptsEnded)[-1]["attempts"][0].late
    assert desk.nothing_left()


def test_cancelled_while_it_runs_and_nobody_knows_how_it_ended() -> None:
    """In doubt, after the plan's end: listed, in quarantine, and settled like any other."""
    desk = Desk()
    plan = desk.submit(call("pay"))
    desk.cancel(plan)
    desk.lose(plan, 0, retry=True)
    assert (plan.outcome, plan.calls[0].lingers) == ("CANCELLED", "IN_DOUBT")
    assert desk.settle(plan, 0, "DID_NOT_HAPPEN") == ""
    assert desk.nothing_left()


@pytest.mark.parametrize("last", ["FAILED", "CANCELLED"])
def test_a_stopped_attempt_says_nothing_about_a_former_one(last: str) -> None:
    """The second attempt was stopped; whether the first happened, nobody knows: in doubt, and not gone without a word."""
    desk = Desk()
    plan = desk.submit(call("pay"))
    desk.lose(plan, 0, retry=True)
    desk.wait(2)
    desk.cancel(plan)
    desk.end(plan, 0, last, "STOPPED")  # type: ignore[arg-type]
    assert plan.calls[0].lingers == "IN_DOUBT"
    assert plan.remaining == (0,)


@pytest.mark.parametrize(
    ("outcome", "code", "expected"),
    [("CANCELLED", "STOPPED", "IN_DOUBT"), ("FAILED", "DID_NOT_HAPPEN", ""), ("SUCCEEDED", None, "")],
)
def test_cancelled_while_it_is_asked_about(outcome: str, code: str | None, expected: str) -> None:
    """What was found out about it counts; that asking was stopped finds out nothing. Asking costs nothing either way."""
    desk = Desk()
    plan = desk.submit(call("book"), policy=Policy(budget=Amounts(calls=5)))
    desk.lose(plan, 0)
    desk.cancel(plan)
    desk.end(plan, 0, outcome, code)  # type: ignore[arg-type]
    assert plan.calls[0].lingers == expected
    assert plan.ledger is not None
    assert (plan.ledger.reserved, plan.ledger.spent[0]) == ((0, 0, 0, 0), 1)


@pytest.mark.parametrize(("name", "expected"), [("look", "CANCELLED"), ("pay", "IN_DOUBT")])
def test_cancelled_between_attempts_of_which_one_may_have_happened(name: str, expected: str) -> None:
    """What leaves nothing behind is cancelled; an idempotent call is in doubt."""
    desk = Desk()
    plan = desk.submit(call(name), policy=Policy(in_doubt="END"))
    desk.lose(plan, 0, retry=True)
    assert plan.calls[0].status == "RETRYING"
    desk.cancel(plan)
    assert plan.calls[0].outcome == expected


def test_cancelled_while_it_is_in_doubt() -> None:
    """The plan waits on for somebody who knows; nothing else of it starts, also when it turns out to have happened."""
    desk = Desk()
    plan = desk.submit(call("mail"), call("pay", "b", [0]))
    desk.lose(plan, 0)
    assert desk.cancel(plan) == ""
    assert not plan.ended
    assert desk.cancel(plan) == "ALREADY_STOPPED"
    desk.settle(plan, 0, "HAPPENED", "1")
    assert (outcomes(plan), plan.outcome) == (["SUCCEEDED", "CANCELLED CANCELLED"], "CANCELLED")
    assert desk.sent() == [(0, 1, "RUN")]


def test_cancelled_after_its_end() -> None:
    """A plan that has ended is not cancelled: unknown once nothing of it is open, ended while something lingers."""
    desk = Desk()
    done, lingering = desk.submit(call("note")), desk.submit(call("note"))
    desk.succeed(done, 0)
    desk.cancel(lingering)
    assert (desk.cancel(done), desk.cancel(lingering)) == ("UNKNOWN_PLAN", "PLAN_ENDED")


def test_a_plan_of_another_tenant_is_not_known() -> None:
    """Neither by its id: a plan is its domain's own."""
    desk = Desk()
    plan = desk.submit(call("note"), domain="e")
    assert desk.cancel(plan) == "UNKNOWN_PLAN"


def test_committed_history_holds_what_the_events_said() -> None:
    """In the plan's order, each call once, however their ends overtook each other."""
    desk = Desk()
    plan = desk.submit(call("pay", "a"), call("pay", "b"), call("pay", "c"))
    desk.succeed(plan, 2, 1)
    desk.fail(plan, 0)
    said = [one for step in desk.steps for one in getattr(step, "calls", ()) if isinstance(one, CommittedCall)]
    assert [(one.index, one.outcome) for one in said] == [(0, "FAILED"), (1, "SUCCEEDED"), (2, "SUCCEEDED")]
