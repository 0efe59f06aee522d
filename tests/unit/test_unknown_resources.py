"""Calls whose resources follow from an earlier result: what their plan holds, when they get in line, and for how long that may take."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from faults import Desk, call, outcomes, result_of, tool
from motet.plan import Plan, admit, plan_id_of
from motet.records import CallsLinedUp, Claim, Isolation, LinedUpCall, PlannedCall, Policy, Reason, SubmitPlan
from registers import LIMITS, contract, contracts

WHICH: Final = "/id"
LINE_UP: Final = Policy(unknown_resources="LINE_UP")


def follows(name: str = "pay") -> Any:
    """A call on the account that the first one names."""
    return call(name, result_of(0, WHICH), [0])


def found(desk: Desk, plan: Plan, account: str = "b") -> None:
    """The first call names an account."""
    desk.end(plan, 0, result=json.dumps({"id": account}))


def test_a_plan_holds_the_whole_of_what_it_may_use() -> None:
    """From its admission on: whoever comes later waits for all of it, whoever was there before is waited for."""
    desk = Desk()
    before = desk.submit(call("pay", "b"))
    plan, after, beside = desk.submit(call("note"), follows()), desk.submit(call("pay", "c")), desk.submit(call("note"))
    assert plan.calls[1].claims == (Claim("account:*", "WRITE"),)
    assert (after.calls[0].attempt, beside.calls[0].attempt) == (0, 1)
    found(desk, plan)
    assert plan.calls[1].attempt == 0
    desk.succeed(before, 0)
    assert (plan.calls[1].attempt, json.loads(plan.calls[1].arguments)) == (1, {"key": "b"})
    desk.succeed(plan, 1)
    assert (plan.outcome, after.calls[0].attempt) == ("SUCCEEDED", 1)


def test_a_plan_may_get_in_line_once_it_knows() -> None:
    """It holds nothing until then, and its place is where it knew: others who came in between go first."""
    desk = Desk()
    plan, after = desk.submit(call("note"), follows(), policy=LINE_UP), desk.submit(call("pay", "b"))
    assert after.calls[0].attempt == 1
    found(desk, plan)
    assert (plan.calls[1].claims, plan.calls[1].attempt, plan.calls[1].part) == ((Claim("account:b", "WRITE"),), 0, 1)
    assert [fact["calls"] for fact in desk.facts(CallsLinedUp)] == [(LinedUpCall(1, (Claim("account:b", "WRITE"),)),)]
    desk.succeed(after, 0)
    assert plan.calls[1].attempt == 1
    desk.succeed(plan, 1)
    assert plan.outcome == "SUCCEEDED"
    assert desk.nothing_left()


def test_two_plans_that_line_up_never_wait_for_each_other() -> None:
    """What a part has in hand is let go before the next one gets in line."""
    desk = Desk(tool("f.find", "PURE", [("account:{key}", "READ")]))
    plans = [
        desk.submit(call("find", one), call("pay", result_of(0, WHICH), [0]), policy=LINE_UP) for one in ("a", "b")
    ]
    for plan, other in zip(plans, ("b", "a"), strict=True):
        found(desk, plan, other)
    assert [plan.calls[1].attempt for plan in plans] == [1, 1]
    for plan in plans:
        desk.succeed(plan, 1)
    assert desk.nothing_left()


@pytest.mark.parametrize("how", ["HOLD", "LINE_UP"])
def test_it_may_take_so_long_to_know(how: Any) -> None:
    """Beyond it the plan ends as at its deadline, undone if that is its policy; nobody waits for it any longer."""
    desk = Desk()
    policy = Policy(on_failure="COMPENSATE", unknown_resources=how, unknown_seconds=40.0)
    plan = desk.submit(call("move", "x"), call("call", "x", [0]), call("pay", result_of(1, WHICH), [1]), policy=policy)
    after = desk.submit(call("pay", "c"))
    desk.succeed(plan, 0)
    desk.wait(39)
    assert after.calls[0].attempt == (how == "LINE_UP")
    desk.wait(2)
    assert plan.barrier == "DEADLINE"
    assert plan.calls[1].error is not None
    assert plan.calls[1].error.message == "what c2 uses was not known within 40 s"
    desk.end(plan, 1, "CANCELLED", "STOPPED")
    desk.end(plan, 3)
    assert (plan.outcome, after.calls[0].attempt) == ("COMPENSATED", 1)


def test_once_it_knows_the_time_does_not_count() -> None:
    """The plan's own deadline does."""
    desk = Desk()
    plan = desk.submit(call("note"), follows(), policy=Policy(unknown_seconds=40.0, deadline_seconds=90.0))
    found(desk, plan)
    desk.wait(60)
    assert (plan.barrier, plan.calls[1].status) == ("", "STARTED")
    desk.wait(40)
    assert plan.barrier == "DEADLINE"


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"id": "x" * 400}, "FAILED TOO_LARGE"),
        ({"id": "a\0b"}, "FAILED BAD_IDENTIFIER"),
        ({}, "FAILED BAD_REFERENCE"),
        ({"id": 7}, "FAILED ARGUMENTS_INVALID"),
    ],
)
def test_a_result_may_name_nothing(result: Any, said: str) -> None:
    """Then the call fails, and what its plan held is let go."""
    desk = Desk()
    plan = desk.submit(call("note"), follows(), policy=LINE_UP)
    desk.end(plan, 0, result=json.dumps(result))
    assert outcomes(plan) == ["SUCCEEDED", said]
    assert desk.nothing_left()


def test_a_call_that_waits_for_a_person_too_gets_in_line_for_what_it_uses() -> None:
    """It is asked about once it is known, and waits in no line until it is approved."""
    desk = Desk()
    plan, after = desk.submit(call("note"), follows("ask")), desk.submit(call("pay", "c"))
    found(desk, plan)
    assert after.calls[0].attempt == 1
    assert not desk.approve(plan, 1)
    assert (plan.calls[1].claims, plan.calls[1].attempt) == ((Claim("account:b", "WRITE"),), 1)


def planned(policy: Policy, key: Any, isolation: Isolation = "PLAN") -> SubmitPlan:
    """A plan whose second call's resources follow from the first."""
    calls = (
        PlannedCall("c0", "x.find", None, "{}", ()),
        PlannedCall("c1", "x.use", None, json.dumps(key), ()),
    )
    return SubmitPlan("k", "acme", "d", "agent", isolation, calls, None, None, policy)


@pytest.mark.parametrize(
    ("template", "arguments", "whole"),
    [
        ("item:{a}:{b}", {"a": "x", "b": {"$result": {"call": "c0"}}}, "item:x:*"),
        ("item:{a}-{b}", {"a": "x", "b": {"$result": {"call": "c0"}}}, "item:*"),
        ("item:{a}:{b}", {"a": {"$result": {"call": "c0"}}, "b": "y"}, "item:*"),
        ("item:{a}", {"a": {"in": [{"$result": {"call": "c0"}}]}}, "item:*"),
        ("{a}", {"a": {"$result": {"call": "c0"}}}, "*"),
        ("item:{a}", {"$result": {"call": "c0"}}, "item:*"),
        ("item:{tenant}:{a}", {"a": {"$result": {"call": "c0"}}}, "item:acme:*"),
    ],
)
def test_the_whole_is_the_smallest_that_covers_it(template: str, arguments: Any, whole: str) -> None:
    """Up to the last level before what is not known."""
    anything: Any = {"type": "object"}
    known = contracts(contract("x.find", [], anything), contract("x.use", [(template, "WRITE")], anything))
    plan = admit(planned(Policy(), arguments), "p", 100, known, LIMITS, 1_000)
    assert isinstance(plan, Plan)
    assert plan.calls[1].claims == (Claim(whole, "WRITE"),)
    assert (plan.calls[1].unknown, plan.known_by) == (True, 1_000 + int(LIMITS.unknown_seconds * 1_000))
    refusal = admit(planned(Policy(unknown_resources="REFUSE"), arguments), "p", 100, known, LIMITS, 0)
    assert not isinstance(refusal, Plan)
    assert [(one.code, template in one.message) for one in refusal] == [("RESOURCE_NOT_KNOWN", True)]


def test_a_policy_says_so_in_time() -> None:
    """A word of a later version, and a time that is none, are refused; what a plan does not say is no part of its name."""
    known = contracts(contract("x.find", []), contract("x.use", []))
    for policy in (Policy(unknown_resources="UNKNOWN"), Policy(unknown_seconds=float("nan"))):
        refusal = admit(planned(policy, {}), "p", 100, known, LIMITS, 0)
        assert not isinstance(refusal, Plan)
        assert isinstance(refusal[0], Reason)
        assert refusal[0].code == "BAD_POLICY"
    names = {plan_id_of(planned(policy, {})) for policy in (Policy(), LINE_UP, Policy(unknown_seconds=5.0))}
    assert len(names) == 3
