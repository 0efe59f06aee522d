"""Versions of the rules: a plan keeps the one that it was admitted by."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any

import pytest

import faults
from motet.plan import Fact, Plan, admit, from_state, rules, to_state
from motet.records import AttemptsEnded, CallsEnded, CallsLinedUp, PlannedCall, SubmitPlan
from registers import CONTRACTS, LIMITS
from storm import Storm


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


def told(seeds: int) -> set[str]:
    """What plans in some storms say of who waits that plans of the second rules did not say."""
    found: set[str] = set()
    for seed in range(seeds):
        storm = Storm(Random(seed))  # noqa: S311  no secret
        for _ in range(60):
            storm.happen()
        for step in storm.desk.steps:
            if isinstance(step, Fact):
                found |= of_waits(step.record.func, step.record.keywords)
    return found


def of_waits(kind: Any, values: dict[str, Any]) -> set[str]:
    """What a fact says of that."""
    if kind is CallsEnded:
        return {"ended"}
    if kind is CallsLinedUp and any(one.compensation for one in values["calls"]):
        return {"compensation in line"}
    return {"late and open"} if kind is AttemptsEnded and any(one.open for one in values["attempts"]) else set()


def test_plans_of_the_second_rules_say_what_they_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong; and plans of today say all of it in the same storms."""
    assert told(60) == {"ended", "compensation in line", "late and open"}
    monkeypatch.setattr(faults, "admit", partial(admit, version=2))
    assert not told(60)
