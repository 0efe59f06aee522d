"""A call that needs a person: who is asked when, about exactly what, and what holds what meanwhile."""

from __future__ import annotations

from faults import START, Desk, call, outcomes, result_of
from motet.records import ApprovalDecided, ApprovalRequested, Policy


def test_a_tool_or_a_plan_may_ask_for_a_person_and_siblings_run_on() -> None:
    """The tool by its contract, the plan for any call; the question has the arguments, their digest and its end."""
    desk = Desk()
    plan = desk.submit(call("ask", "a"), call("pay", "b", approval=True, approval_seconds=5.0), call("pay", "c"))
    asked = desk.facts(ApprovalRequested)
    assert [(one["index"], one["expires_at"]) for one in asked] == [(0, START + 50_000), (1, START + 5_000)]
    assert asked[0]["arguments_sha256"] == plan.calls[0].arguments_sha256
    assert desk.sent() == [(2, 1, "RUN")]


def test_an_approved_call_runs_and_the_event_says_who_decided() -> None:
    """Once, and the decision is not asked for again."""
    desk = Desk()
    plan = desk.submit(call("ask"))
    assert desk.approve(plan, 0) == ""
    [decided] = desk.facts(ApprovalDecided)
    assert (decided["decision"], decided["agent"]) == ("APPROVED", "boss")
    assert decided["arguments_sha256"] == plan.calls[0].arguments_sha256
    assert desk.approve(plan, 0) == "NOT_ASKED"
    desk.succeed(plan, 0)
    assert plan.outcome == "SUCCEEDED"


def test_a_denied_call_fails_with_the_reason_and_never_runs() -> None:
    """And so does one about which nobody decided in time."""
    desk = Desk()
    denied, expired = desk.submit(call("ask", "a")), desk.submit(call("ask", "b"))
    desk.deny(denied, 0)
    desk.wait(49.9)
    assert not expired.ended
    desk.wait(0.1)
    assert (outcomes(denied), outcomes(expired)) == (["FAILED DENIED"], ["FAILED APPROVAL_EXPIRED"])
    assert [one["decision"] for one in desk.facts(ApprovalDecided)] == ["DENIED", "EXPIRED"]
    assert desk.sent() == []
    assert desk.nothing_left()


def test_a_decision_about_other_arguments_is_refused() -> None:
    """To approve and to deny alike; the call waits on."""
    desk = Desk()
    plan = desk.submit(call("ask"))
    assert (desk.approve(plan, 0, "0" * 64), desk.deny(plan, 0, "0" * 64)) == ("OTHER_ARGUMENTS", "OTHER_ARGUMENTS")
    assert desk.approve(plan, 0) == ""


def test_a_call_that_needs_nobody_is_not_decided_about() -> None:
    """Neither one that runs, nor one that has no such name."""
    desk = Desk()
    plan = desk.submit(call("pay"))
    assert desk.approve(plan, 0) == "NOT_ASKED"


def test_arguments_from_a_result_are_asked_about_when_they_are_known() -> None:
    """A person sees what really runs."""
    desk = Desk()
    plan = desk.submit(call("pay", "a"), call("ask", "b", [0], result_of(0)))
    assert desk.facts(ApprovalRequested) == []
    assert desk.approve(plan, 1) == "NOT_ASKED"
    desk.succeed(plan, 0)
    [asked] = desk.facts(ApprovalRequested)
    assert asked["arguments"] == '{"key":"b","n":1}'
    assert desk.approve(plan, 1) == ""
    assert desk.sent()[1:] == [(1, 1, "RUN")]


def test_nobody_waits_for_an_account_because_of_a_person() -> None:
    """A call gets in line when it is approved; what ran before it is let go when it is done."""
    desk = Desk()
    plan = desk.submit(call("pay", "a"), call("ask", "b"), call("pay", "c", [1]))
    others = [desk.submit(call("pay", key)) for key in "abc"]
    assert [desk.sent(one) for one in others] == [[], [(0, 1, "RUN")], [(0, 1, "RUN")]]
    desk.succeed(plan, 0)
    assert desk.sent(others[0]) == [(0, 1, "RUN")]
    desk.approve(plan, 1)
    assert len(desk.sent(plan)) == 1
    for one in others:
        desk.succeed(one, 0)
    desk.succeed(plan, 1, 2)
    assert plan.outcome == "SUCCEEDED"
    assert desk.nothing_left()


def test_an_approved_call_does_not_wait_for_its_own_plan() -> None:
    """It needs the account that a sibling still used when it was approved: it gets it when the sibling is done."""
    desk = Desk()
    plan = desk.submit(call("pay"), call("ask"))
    desk.approve(plan, 1)
    desk.succeed(plan, 0)
    assert desk.sent()[1:] == [(1, 1, "RUN")]


def test_an_approved_call_does_not_wait_for_a_part_whose_last_call_is_in_doubt() -> None:
    """Only the account of the call in doubt is in quarantine; what the others of its part used is let go."""
    desk = Desk()
    plan = desk.submit(call("pay", "a"), call("mail", "b"), call("ask", "a"), policy=Policy(in_doubt="END"))
    desk.succeed(plan, 0)
    desk.approve(plan, 2)
    desk.lose(plan, 1)
    assert desk.sent()[2:] == [(2, 1, "RUN")]


def test_a_call_behind_one_that_waited_for_a_person_starts_though_that_one_failed() -> None:
    """`continue`: denied, or with arguments that cannot be made, it does not keep those behind it out of line."""
    desk = Desk()
    going_on = Policy(on_failure="CONTINUE")
    denied = desk.submit(call("ask", "a"), call("pay", "b", [0]), policy=going_on)
    desk.deny(denied, 0)
    assert desk.sent(denied) == [(1, 1, "RUN")]
    missing = {"$result": {"call": "c0", "pointer": "/nothing"}}
    wrong = desk.submit(call("pay", "c"), call("ask", "d", [0], missing), call("pay", "e", [1]), policy=going_on)
    desk.succeed(wrong, 0)
    assert outcomes(wrong)[1] == "FAILED BAD_REFERENCE"
    assert desk.sent(wrong)[1:] == [(2, 1, "RUN")]
    skipped = desk.submit(call("pay", "f"), call("ask", "g", [0], result_of(0)), call("pay", "h", [1]), policy=going_on)
    desk.fail(skipped, 0)
    assert outcomes(skipped)[1] == "SKIPPED DEPENDENCY_FAILED"
    assert desk.sent(skipped)[1:] == [(2, 1, "RUN")]


def test_approved_in_any_order_calls_run_in_the_plans() -> None:
    """The later one was approved first, and waits for the one before it."""
    desk = Desk()
    plan = desk.submit(call("ask", "a"), call("ask", "b", [0]))
    desk.approve(plan, 1)
    assert desk.sent() == []
    desk.approve(plan, 0)
    desk.succeed(plan, 0, 1)
    assert plan.outcome == "SUCCEEDED"


def test_a_skipped_call_takes_its_question_back() -> None:
    """The call before it failed while a person was asked; whoever decides now is told that nobody asks."""
    desk = Desk()
    plan = desk.submit(call("pay", "a"), call("ask", "b", [0]), call("pay", "c"))
    desk.fail(plan, 0)
    assert [one["decision"] for one in desk.facts(ApprovalDecided)] == ["WITHDRAWN"]
    assert desk.approve(plan, 1) == "NOT_ASKED"


def test_a_sibling_that_fails_fast_takes_the_question_back() -> None:
    """Nobody needs to decide any more."""
    desk = Desk()
    plan = desk.submit(call("pay", "a"), call("ask", "b"), policy=Policy(batch="FAIL_FAST"))
    desk.fail(plan, 0)
    assert [one["decision"] for one in desk.facts(ApprovalDecided)] == ["WITHDRAWN"]
    assert outcomes(plan) == ["FAILED NO", "CANCELLED SIBLING_FAILED"]
    assert desk.nothing_left()
