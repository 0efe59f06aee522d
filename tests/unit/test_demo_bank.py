"""The bank: what its serial run must add up to."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motet.demo import bank
from motet.demo.toolsets import MODULES
from motet.plan import Contracts, Limits, Plan, admit
from motet.records import Meta, PlannedCall, SubmitPlan
from motet.tools import load


def test_the_same_seed_gives_the_same_plans() -> None:
    """And another seed other ones."""
    assert bank.transfers(7, 800) == bank.transfers(7, 800)
    assert [plan.calls for plan in bank.transfers(7, 800)] != [plan.calls for plan in bank.transfers(8, 800)]


def test_the_bank_is_what_its_figures_say() -> None:
    """10,000 transfers in plans of 8 over 50 accounts by 100 agents, all in one domain, each key once."""
    plans = bank.transfers(1)
    calls = [json.loads(call.arguments) for plan in plans for call in plan.calls]
    assert (len(calls), {len(plan.calls) for plan in plans}) == (10_000, {8})
    assert {call[end] for call in calls for end in ("source", "target")} == {f"{number:02}" for number in range(50)}
    assert all(call["source"] != call["target"] and 1 <= call["amount"] <= 600 for call in calls)
    assert len({plan.agent for plan in plans}) == 100
    assert {(plan.tenant, plan.domain) for plan in plans} == {("bank", "main")}
    assert len({plan.idempotency_key for plan in (*bank.opening(), *plans)}) == len(bank.opening()) + len(plans)
    assert len(bank.transfers(1, 20)[-1].calls) == 4


@settings(max_examples=20)
@given(st.integers(0, 1_000))
def test_a_serial_run_conserves_money(seed: int) -> None:
    """Whatever the order, nothing is made or lost, no balance is negative, and every result says what is there."""
    plans = list(bank.transfers(seed, 400))
    random.Random(seed).shuffle(plans)  # noqa: S311  no secret
    run = bank.serial([*bank.opening(), *plans])
    assert sum(run.balances.values()) == 50 * 1_000
    assert min(run.balances.values()) >= 0
    results = [result for plan in plans for result in run.outcomes[plan.idempotency_key]]
    assert len(results) == 400


def test_the_order_decides() -> None:
    """Some transfers are refused, and other ones in another order: that is what makes it contention."""
    plans = bank.transfers(1, 4_000)
    one, other = (bank.serial([*bank.opening(), *order]) for order in (plans, plans[::-1]))
    refused = sum(not result["ok"] for results in one.outcomes.values() for result in results)
    assert 100 < refused < 3_900
    assert one.balances != other.balances


@pytest.mark.parametrize(
    ("source", "target", "amount", "reason"),
    [
        ("00", "01", 1_001, "insufficient funds"),
        ("00", "99", 1, "no such account"),
        ("00", "00", 1, "same account"),
        ("00", "01", 0, "amount must be positive"),
        ("00", "01", 1_000, None),
    ],
)
def test_a_transfer_is_refused_for_a_reason(source: str, target: str, amount: int, reason: str | None) -> None:
    """A refusal changes nothing and says why, with both balances."""
    arguments = json.dumps({"source": source, "target": target, "amount": amount})
    calls = (PlannedCall("c0", "bank.transfer", None, arguments, ()),)
    plan = SubmitPlan("k", "bank", "main", "a", "PLAN", calls, None, None)
    run = bank.serial([*bank.opening(2), plan])
    (result,) = run.outcomes["k"]
    assert result.get("reason") == reason
    assert (run.balances == {"00": 1_000, "01": 1_000}) == (reason is not None)


def test_the_serial_run_knows_no_other_tools() -> None:
    """A call that is not the bank's would be left out without a word."""
    calls = (PlannedCall("c0", "bank.close", None, "{}", ()),)
    with pytest.raises(ValueError, match=r"call c0 is bank\.close"):
        bank.serial([SubmitPlan("k", "bank", "main", "a", "PLAN", calls, None, None)])


def test_every_plan_of_the_bank_is_admitted_and_takes_its_accounts() -> None:
    """Openings and transfers fit the bank's contracts; a transfer writes both accounts."""
    known = Contracts()
    toolset = load(MODULES[-1])
    assert (len(MODULES), toolset.name) == (9, "bank")
    for tool in toolset.tools:
        known.add(tool.contract_fields().record(Meta("e", "c", "", "", "", 0, 0, None)))
    for command in (*bank.opening(), *bank.transfers(3, 80)):
        plan = admit(command, "p", 1_000, known, Limits(), 0)
        assert isinstance(plan, Plan), plan
        for call in plan.calls:
            given = json.loads(call.arguments)
            accounts = {f"account:{given[end]}" for end in ("source", "target", "account") if end in given}
            assert {(claim.resource, claim.mode) for claim in call.claims} == {(one, "WRITE") for one in accounts}
