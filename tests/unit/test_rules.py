"""Versions of the rules: a plan keeps the one that it was admitted by."""

from __future__ import annotations

from motet.plan import Plan, admit, from_state, rules, to_state
from motet.records import PlannedCall, SubmitPlan
from registers import CONTRACTS, LIMITS


def test_every_version_says_what_changed() -> None:
    """From the first to the current one, none left out."""
    assert list(rules.CHANGES) == list(range(1, rules.CURRENT + 1))
    assert all(rules.CHANGES.values())


def test_a_plan_keeps_the_rules_of_its_admission() -> None:
    """Its row has them; a row of a former version is of the first."""
    call = PlannedCall("c", "r.add", None, '{"key":"a","n":1}')
    command = SubmitPlan("k", "acme", "d", "agent", "PLAN", (call,), "c", None)
    plan = admit(command, "p", 100, CONTRACTS, LIMITS, 0, 7)
    assert isinstance(plan, Plan), plan
    assert from_state(to_state(plan)).rules == 7
    assert plan.rules == 7
    newest = admit(command, "p", 100, CONTRACTS, LIMITS, 0)
    assert isinstance(newest, Plan)
    assert newest.rules == rules.CURRENT
