"""Calls of which nobody knows whether they happened: never tried again by themselves, kept in quarantine, settled by somebody."""

from __future__ import annotations

from typing import Any

import pytest

from faults import Desk, call, outcomes, result_of, tool
from motet.records import AttemptsEnded, CallSettled, Policy, Reason

END = Policy(in_doubt="END")


def test_a_call_in_doubt_holds_its_plan_until_it_is_settled() -> None:
    """By default: whatever time passes below the plan's own, nothing is sent."""
    desk = Desk()
    plan = desk.submit(call("mail"), call("pay", "b", [0]))
    desk.lose(plan, 0)
    desk.wait(3_000)
    assert (plan.ended, plan.calls[0].status, desk.sent()) == (False, "IN_DOUBT", [(0, 1, "RUN")])
    assert desk.facts(AttemptsEnded)[-1]["attempts"][0].next == "IN_DOUBT"


def test_a_plan_may_end_in_doubt() -> None:
    """What comes after the call is skipped, the terminal event names what remains, and only the account is kept."""
    desk = Desk()
    plan = desk.submit(call("mail"), call("pay", "b", [0]), call("pay", "c"), policy=END)
    desk.succeed(plan, 2)
    desk.lose(plan, 0)
    assert (plan.outcome, plan.remaining) == ("IN_DOUBT", (0,))
    assert outcomes(plan) == ["IN_DOUBT TIMED_OUT", "SKIPPED DEPENDENCY_FAILED", "SUCCEEDED"]
    others = [desk.submit(call("pay", key)) for key in "abc"]
    assert [bool(desk.sent(one)) for one in others] == [False, True, True]
    desk.settle(plan, 0, "HAPPENED", "1")
    assert desk.sent(others[0]) == [(0, 1, "RUN")]


@pytest.mark.parametrize(
    ("finding", "expected", "plan_outcome"),
    [
        ("HAPPENED", "SUCCEEDED", "SUCCEEDED"),
        ("DID_NOT_HAPPEN", "FAILED DID_NOT_HAPPEN", "FAILED"),
        ("COMPENSATE", "FAILED TO_BE_UNDONE", ""),
    ],
)
def test_a_call_in_doubt_is_settled(finding: str, expected: str, plan_outcome: str) -> None:
    """It happened with this result, it did not, or it is to be undone: the event says who found it."""
    desk = Desk()
    plan = desk.submit(call("mail"))
    desk.lose(plan, 0)
    assert desk.settle(plan, 0, finding, "7" if finding == "HAPPENED" else None) == ""
    assert (outcomes(plan), plan.outcome if plan.ended else "") == ([expected], plan_outcome)
    [settled] = desk.facts(CallSettled)
    assert (settled["finding"], settled["agent"]) == (finding, "boss")
    assert settled["result"] == ("7" if finding == "HAPPENED" else None)
    if finding == "COMPENSATE":
        desk.succeed(plan, 1)
    assert desk.nothing_left()


def test_calls_behind_a_settled_one_take_its_result() -> None:
    """As if the tool had returned it."""
    desk = Desk()
    plan = desk.submit(call("mail"), call("pay", "b", [0], result_of(0)))
    desk.lose(plan, 0)
    desk.settle(plan, 0, "HAPPENED", "42")
    assert (plan.calls[1].arguments, desk.sent()[1:]) == ('{"key":"b","n":42}', [(1, 1, "RUN")])


def test_what_cannot_be_settled_is_refused() -> None:
    """No doubt, no such call, a result that the tool cannot return, no tool that undoes it, an unknown word."""
    desk = Desk(tool("f.send", "IRREVERSIBLE"))
    plan = desk.submit(call("mail", "a"), call("send", "b"), call("note"))
    desk.lose(plan, 0)
    desk.lose(plan, 1)
    answers = [
        desk.settle(plan, 2, "HAPPENED", "1"),
        desk.settle(plan, 0, "HAPPENED", '"text"'),
        desk.settle(plan, 0, "HAPPENED", "{"),
        desk.settle(plan, 1, "COMPENSATE"),
        desk.settle(plan, 0, "UNKNOWN"),
        desk.settle(plan, 0, "HAPPENED", undo=True),
    ]
    assert answers == [
        *("NOT_IN_DOUBT", "RESULT_INVALID", "RESULT_NOT_JSON", "NO_COMPENSATION", "UNKNOWN_FINDING", "NOT_IN_DOUBT"),
    ]
    assert desk.settle(plan, 0, "HAPPENED") == ""
    assert plan.calls[0].result == "null"
    assert desk.settle(plan, 0, "HAPPENED") == "NOT_IN_DOUBT"


@pytest.mark.parametrize("policy", [Policy(), END])
@pytest.mark.parametrize("outcome", ["SUCCEEDED", "FAILED"])
def test_a_tool_service_that_knows_after_all_settles_it(policy: Policy, outcome: Any) -> None:
    """Before the plan's end it is the call's end; after it, history stays as it is."""
    desk = Desk()
    plan = desk.submit(call("pay"), policy=policy)
    desk.lose(plan, 0)
    desk.end(plan, 0, outcome, None if outcome == "SUCCEEDED" else "NO")
    [settled] = desk.facts(CallSettled)
    assert (settled["agent"], settled["finding"]) == (
        "tools-f",
        "HAPPENED" if outcome == "SUCCEEDED" else "DID_NOT_HAPPEN",
    )
    expected = "IN_DOUBT" if policy is END else "SUCCEEDED" if outcome == "SUCCEEDED" else "FAILED"
    assert plan.outcome == expected
    assert desk.nothing_left()


def test_a_tool_service_settles_no_more_than_it_knows() -> None:
    """That the last attempt did not happen says nothing about the one before it."""
    desk = Desk()
    plan = desk.submit(call("pay"))
    desk.lose(plan, 0, retry=True)
    desk.wait(2)
    desk.lose(plan, 0)
    desk.fail(plan, 0)
    assert plan.calls[0].status == "IN_DOUBT"
    assert desk.facts(CallSettled) == []


# -- quarantine ----------------------------------------------------------------------------------------------------------------


def refused(desk: Desk, name: str, key: str = "a") -> str:
    """Why a plan that does not wait for calls in doubt is refused; empty if it is not."""
    desk.submit(call(name, key), policy=Policy(quarantine="REFUSE"))
    return desk.refusal.code if isinstance(desk.refusal, Reason) else ""


@pytest.mark.parametrize("policy", [Policy(), END])
def test_a_plan_waits_for_a_call_in_doubt_or_is_refused(policy: Policy) -> None:
    """As its policy says, before and after the end of the plan that left the doubt."""
    desk = Desk()
    plan = desk.submit(call("mail"), policy=policy)
    assert refused(desk, "note") == ""
    desk.lose(plan, 0)
    waiting = desk.submit(call("pay"))
    assert (refused(desk, "pay"), refused(desk, "pay", "b"), desk.sent(waiting)) == ("RESOURCE_IN_QUARANTINE", "", [])
    desk.settle(plan, 0, "DID_NOT_HAPPEN")
    assert desk.sent(waiting) == [(0, 1, "RUN")]


def test_a_plan_is_not_refused_for_a_call_that_it_shares_with() -> None:
    """Two readers do not wait for each other."""
    desk = Desk(tool("f.read", "IDEMPOTENT", [("account:{key}", "READ")]))
    plan = desk.submit(call("read"))
    desk.lose(plan, 0)
    assert (refused(desk, "look"), refused(desk, "pay")) == ("", "RESOURCE_IN_QUARANTINE")


def test_a_compensation_in_doubt_keeps_its_account_in_quarantine() -> None:
    """It ran in place of its call, and nobody knows what it left."""
    desk = Desk()
    plan = desk.submit(call("pay"), call("note", after=[0]), policy=Policy(on_failure="COMPENSATE"))
    desk.succeed(plan, 0)
    desk.fail(plan, 1)
    desk.lose(plan, 2)
    assert refused(desk, "pay") == "RESOURCE_IN_QUARANTINE"
