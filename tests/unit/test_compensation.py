"""Sagas: what is undone, in which order, with which arguments, and what follows when that fails."""

from __future__ import annotations

from typing import Any

import pytest

from faults import Desk, call, outcomes, tool
from motet.plan import Plan
from motet.records import BarrierRaised, CompensationEnded, CompensationResumed, Policy

UNDONE = Policy(on_failure="COMPENSATE")


def failed(desk: Desk, *names: str, **more: Any) -> Plan:
    """A plan whose calls succeeded but for the last one."""
    calls = [call(name, "abcdef"[place]) for place, name in enumerate(names)]
    plan = desk.submit(*calls, call("note", after=range(len(names))), policy=UNDONE, **more)
    desk.succeed(plan, *range(len(names)))
    desk.fail(plan, len(names))
    return plan


def undoing(desk: Desk, plan: Plan) -> list[tuple[int, int, str]]:
    """The compensations that were sent: the call undone, attempt, mode."""
    size = len(plan.calls)
    return [(index - size, attempt, mode) for index, attempt, mode in desk.sent(plan) if index >= size]


@pytest.mark.parametrize("isolation", ["PLAN", "CALL"])
def test_what_succeeded_is_undone_in_reverse_order_one_at_a_time(isolation: str) -> None:
    """The plan ends when the last one is undone, and its history still says that the calls succeeded."""
    desk = Desk()
    plan = failed(desk, "pay", "pay", "pay", isolation=isolation)
    for number, index in enumerate((2, 1, 0), start=1):
        assert undoing(desk, plan) == [(one, 1, "RUN") for one in (2, 1, 0)[:number]]
        assert not plan.ended
        desk.succeed(plan, len(plan.calls) + index)
    assert (plan.outcome, outcomes(plan)[:3]) == ("COMPENSATED", ["SUCCEEDED"] * 3)
    assert [fact["remaining"] for fact in desk.facts(CompensationEnded)] == [(1, 0), (0,), ()]
    assert desk.nothing_left()


def test_a_plan_that_stops_or_goes_on_undoes_nothing() -> None:
    """Only `compensate` does."""
    for policy in (Policy(), Policy(on_failure="CONTINUE")):
        desk = Desk()
        plan = desk.submit(call("pay"), call("note", after=[0]), policy=policy)
        desk.succeed(plan, 0)
        desk.fail(plan, 1)
        assert (plan.outcome, undoing(desk, plan)) == ("FAILED", [])


def test_a_plan_that_succeeded_undoes_nothing() -> None:
    """With enough calls of a quorum as well, whatever became of the others."""
    desk = Desk()
    plan = desk.submit(
        call("pay", "a"), call("pay", "b"), policy=Policy(batch="QUORUM", quorum=1, on_failure="COMPENSATE")
    )
    desk.succeed(plan, 0)
    assert plan.outcome == "SUCCEEDED"
    desk.succeed(plan, 1)
    assert (plan.outcome, undoing(desk, plan)) == ("SUCCEEDED", [])
    assert desk.nothing_left()


def test_what_is_pure_or_failed_is_not_undone() -> None:
    """A plan with nothing to undo is compensated at once."""
    desk = Desk()
    plan = failed(desk, "look")
    assert (plan.outcome, undoing(desk, plan)) == ("COMPENSATED", [])


def test_a_compensation_takes_its_arguments_from_call_and_result() -> None:
    """With a key of its own."""
    desk = Desk()
    plan = desk.submit(call("rent"), call("note", after=[0]), policy=UNDONE)
    desk.end(plan, 0, result='{"id":"flat"}')
    desk.fail(plan, 1)
    undo = plan.compensations[0]
    assert (undo.tool, undo.arguments) == ("f.return", '{"key":"flat"}')
    assert undo.key not in ("", plan.calls[0].key)


@pytest.mark.parametrize(("name", "code"), [("rent", "BAD_REFERENCE"), ("buy", "NO_COMPENSATION")])
def test_what_cannot_be_undone_leaves_the_plan_with_what_remains(name: str, code: str) -> None:
    """Arguments that cannot be made, a tool that has no compensation: a person does it by other means, and the plan goes on."""
    desk = Desk()
    plan = failed(desk, "pay", name)
    assert (plan.outcome, plan.remaining) == ("COMPENSATION_FAILED", (1, 0))
    [ended] = desk.facts(CompensationEnded)
    assert (ended["outcome"], ended["error"].code) == ("FAILED", code)
    assert desk.resume(plan, 1) == ""
    desk.succeed(plan, len(plan.calls))
    assert desk.nothing_left()


def test_a_compensation_is_tried_again_like_any_call() -> None:
    """Twice in vain, then done: nobody needs to know."""
    desk = Desk()
    plan = failed(desk, "pay")
    for _ in range(2):
        desk.fail(plan, 2, retry=True)
        desk.wait(3)
    desk.succeed(plan, 2)
    assert undoing(desk, plan) == [(0, 1, "RUN"), (0, 2, "RUN"), (0, 3, "RUN")]
    assert plan.outcome == "COMPENSATED"


def test_a_compensation_that_fails_for_good_waits_for_a_person() -> None:
    """The plan has ended with what remains; resumed, it is tried from the beginning with the same key, and then the others."""
    desk = Desk()
    plan = failed(desk, "pay", "pay")
    assert desk.resume(plan) == "NOTHING_TO_RESUME"
    for _ in range(3):
        desk.fail(plan, 4, retry=True)
        desk.wait(4)
    assert (plan.outcome, plan.remaining, len(undoing(desk, plan))) == ("COMPENSATION_FAILED", (1, 0), 3)
    key = plan.compensations[1].key
    assert desk.resume(plan, 2) == "NOTHING_TO_UNDO"
    assert desk.resume(plan) == ""
    desk.fail(plan, 4, retry=True)
    desk.wait(2)
    assert undoing(desk, plan)[3:] == [(1, 4, "RUN"), (1, 5, "RUN")]
    assert plan.compensations[1].key == key
    desk.succeed(plan, 4)
    desk.succeed(plan, 3)
    assert plan.outcome == "COMPENSATION_FAILED"
    assert desk.nothing_left()


def test_a_compensation_that_was_done_by_other_means_is_skipped() -> None:
    """The others go on; what was done is not undone again."""
    desk = Desk()
    plan = failed(desk, "pay", "pay")
    desk.fail(plan, 4)
    assert desk.resume(plan, 1) == ""
    [resumed] = desk.facts(CompensationResumed)
    assert (resumed["agent"], resumed["skipped"], resumed["remaining"]) == ("boss", (1,), (0,))
    assert undoing(desk, plan) == [(1, 1, "RUN"), (0, 1, "RUN")]
    desk.succeed(plan, 3)
    assert desk.nothing_left()


@pytest.mark.parametrize("isolation", ["PLAN", "CALL"])
@pytest.mark.parametrize("skip", [(), (0,)])
def test_the_account_of_a_compensation_in_doubt_is_let_go_when_somebody_goes_on(
    isolation: Any, skip: tuple[int, ...]
) -> None:
    """Tried again it does not wait for itself; skipped it leaves nothing behind."""
    desk = Desk()
    plan = failed(desk, "pay", isolation=isolation)
    other = desk.submit(call("pay", "a"))
    desk.lose(plan, 2)
    assert (plan.outcome, desk.sent(other)) == ("COMPENSATION_FAILED", [])
    assert desk.resume(plan, *skip) == ""
    desk.succeed(other, 0)
    if not skip:
        assert undoing(desk, plan)[1:] == [(0, 2, "RUN")]
        desk.succeed(plan, 2)
    assert desk.nothing_left()


def test_a_compensation_in_doubt_is_asked_about_before_it_is_tried_again() -> None:
    """If its tool can be asked: it runs again only if it did not happen."""
    desk = Desk()
    plan = failed(desk, "book")
    desk.lose(plan, 2)
    desk.lose(plan, 2)
    desk.resume(plan)
    assert undoing(desk, plan) == [(0, 1, "RUN"), (0, 2, "RECONCILE"), (0, 3, "RECONCILE")]
    desk.fail(plan, 2, "DID_NOT_HAPPEN", retry=True)
    desk.wait(2)
    assert undoing(desk, plan)[3:] == [(0, 4, "RUN")]


def test_a_compensation_in_doubt_that_cannot_be_told_apart_is_settled_first() -> None:
    """What somebody found not to have happened is tried again, and its failure then is no doubt."""
    desk = Desk(tool("f.sell", undone_by="f.retract"))
    plan = failed(desk, "sell")
    desk.lose(plan, 2)
    assert desk.resume(plan) == "IN_DOUBT"
    assert desk.settle(plan, 0, "DID_NOT_HAPPEN", undo=True) == ""
    assert desk.resume(plan) == ""
    assert undoing(desk, plan) == [(0, 1, "RUN"), (0, 2, "RUN")]
    desk.fail(plan, 2)
    assert plan.compensations[0].outcome == "FAILED"


def test_what_somebody_found_about_a_compensation_is_about_all_its_attempts() -> None:
    """None of them happened: a failure after that leaves no doubt."""
    desk = Desk()
    plan = failed(desk, "pay")
    desk.lose(plan, 2, retry=True)
    desk.wait(2)
    desk.lose(plan, 2)
    desk.settle(plan, 0, "DID_NOT_HAPPEN", undo=True)
    desk.resume(plan)
    desk.fail(plan, 2)
    assert plan.compensations[0].outcome == "FAILED"


def test_a_compensation_that_is_found_to_have_happened_lets_the_others_go_on() -> None:
    """By a person, or because its tool service answers after all."""
    for answers in (False, True):
        desk = Desk()
        plan = failed(desk, "pay", "pay")
        desk.lose(plan, 4)
        if answers:
            desk.succeed(plan, 4)
        else:
            desk.settle(plan, 1, "HAPPENED", "1", undo=True)
        assert undoing(desk, plan) == [(1, 1, "RUN"), (0, 1, "RUN")]


def test_a_repeated_failure_of_a_compensation_does_not_stop_the_next_attempt() -> None:
    """It waits for its account when the end of its former attempt comes again: it still runs, and the plan is not stuck."""
    desk = Desk()
    plan = failed(desk, "pay")
    end = desk.end(plan, 2, "FAILED", "NO")
    other = desk.submit(call("pay", "a"))
    desk.resume(plan)
    assert undoing(desk, plan) == [(0, 1, "RUN")]
    desk.report(plan, end)
    desk.succeed(other, 0)
    assert undoing(desk, plan)[1:] == [(0, 2, "RUN")]


def test_nothing_is_undone_while_a_call_of_the_plan_still_runs() -> None:
    """It uses the same account, and if it succeeds it is undone too, in its place: before the one that it came after."""
    desk = Desk()
    plan = desk.submit(
        call("pay", "a"), call("pay", "a", [0]), call("note"), policy=Policy(batch="FAIL_FAST", on_failure="COMPENSATE")
    )
    desk.succeed(plan, 0)
    desk.fail(plan, 2)
    assert (desk.stopped(plan), undoing(desk, plan), plan.ended) == ([1], [], False)
    desk.succeed(plan, 1)
    assert undoing(desk, plan) == [(1, 1, "RUN")]
    desk.succeed(plan, 4)
    desk.succeed(plan, 3)
    assert (undoing(desk, plan), plan.outcome) == ([(1, 1, "RUN"), (0, 1, "RUN")], "COMPENSATED")
    assert outcomes(plan) == ["SUCCEEDED", "CANCELLED SIBLING_FAILED", "FAILED NO"]


def test_a_plan_that_is_undone_waits_for_what_still_runs() -> None:
    """Nothing succeeded so far; if the call that was told to stop does, it is undone before the plan ends."""
    desk = Desk()
    plan = desk.submit(call("pay", "a"), call("note"), policy=Policy(batch="FAIL_FAST", on_failure="COMPENSATE"))
    desk.fail(plan, 1)
    assert not plan.ended
    desk.succeed(plan, 0)
    assert undoing(desk, plan) == [(0, 1, "RUN")]
    desk.succeed(plan, 2)
    assert plan.outcome == "COMPENSATED"


def test_a_success_that_is_found_after_the_compensation_is_undone_too() -> None:
    """The plan has ended in doubt; what turns out to have happened is undone, in line like a call of its own."""
    desk = Desk()
    plan = desk.submit(call("pay", "a"), call("mail", "b"), policy=Policy(in_doubt="END", on_failure="COMPENSATE"))
    desk.succeed(plan, 0)
    desk.lose(plan, 1)
    desk.succeed(plan, 2)
    before = plan.terminal(desk.limits)
    assert before[0] == "IN_DOUBT"
    desk.settle(plan, 1, "HAPPENED", "1")
    assert undoing(desk, plan) == [(0, 1, "RUN"), (1, 1, "RUN")]
    desk.succeed(plan, 3)
    assert plan.terminal(desk.limits) == before
    assert desk.nothing_left()


def test_a_cancelled_plan_is_undone() -> None:
    """What succeeded before the barrier; and a plan that is being undone is not cancelled."""
    desk = Desk()
    plan = desk.submit(call("pay", "a"), call("pay", "b", [0]), call("ask", "c"), policy=UNDONE)
    desk.succeed(plan, 0)
    desk.cancel(plan)
    desk.end(plan, 1, "CANCELLED")
    assert undoing(desk, plan) == [(0, 1, "RUN")]
    assert desk.cancel(plan) == "ALREADY_STOPPED"
    desk.succeed(plan, 3)
    assert plan.outcome == "COMPENSATED"
    other = failed(desk, "pay")
    assert desk.cancel(other) == "PLAN_ENDED"
    assert [fact["plan_id"] for fact in desk.facts(BarrierRaised)] == ["p0"]


def test_the_time_of_a_plan_does_not_cut_its_undoing_short() -> None:
    """Its compensations have times of their own."""
    desk = Desk()
    plan = desk.submit(
        call("pay"), call("note", after=[0]), policy=Policy(on_failure="COMPENSATE", deadline_seconds=30.0)
    )
    desk.succeed(plan, 0)
    desk.fail(plan, 1)
    desk.wait(60)
    assert not desk.facts(BarrierRaised)
    desk.succeed(plan, 2)
    assert plan.outcome == "COMPENSATED"


def test_a_plan_holds_what_its_compensations_use_until_they_are_done() -> None:
    """Under plan isolation nobody comes between a call and what undoes it."""
    desk = Desk()
    plan = failed(desk, "pay")
    other = desk.submit(call("pay", "a"))
    assert desk.sent(other) == []
    desk.succeed(plan, 2)
    assert desk.sent(other) == [(0, 1, "RUN")]


def test_what_undoes_a_call_of_a_plan_that_does_not_compensate_gets_in_line() -> None:
    """Its account may be another plan's: nobody reserved it."""
    desk = Desk(tool("f.lend", "IRREVERSIBLE", (), undone_by="f.refund"))
    holder = desk.submit(call("pay", "a"))
    plan = desk.submit(call("lend", "a"))
    desk.lose(plan, 0)
    desk.settle(plan, 0, "COMPENSATE")
    assert undoing(desk, plan) == []
    desk.succeed(holder, 0)
    assert undoing(desk, plan) == [(0, 1, "RUN")]
    desk.succeed(plan, 1)
    assert (plan.outcome, outcomes(plan)) == ("FAILED", ["FAILED TO_BE_UNDONE"])
    assert desk.nothing_left()
