"""Budgets of plans and agents: reserved before a call starts, settled when it ended, so that no fan-out passes a limit."""

from __future__ import annotations

from collections import Counter

import pytest

from faults import Desk, call, outcomes
from motet.records import Amounts, BudgetChanged, Policy


def within(**limits: int) -> Policy:
    """A plan's budget."""
    return Policy(budget=Amounts(**limits))


def spent(desk: Desk, agent: str = "agent") -> tuple[int, int, int, int]:
    """What an agent has spent."""
    return desk.schedule.board.guards.ledgers["acme", "d", agent].spent


@pytest.mark.parametrize("whose", ["plan", "agent"])
def test_twenty_calls_at_once_do_not_pass_a_limit_of_ten(whose: str) -> None:
    """Ten start, ten wait, and fail once the ten have ended: a limit of calls is spent by a call whatever its end."""
    desk = Desk()
    if whose == "agent":
        desk.allow(Amounts(calls=10))
    plan = desk.submit(*[call("note")] * 20, policy=within(calls=10) if whose == "plan" else Policy())
    assert len(desk.sent()) == 10
    for index in range(10):
        desk.end(plan, index, "SUCCEEDED" if index % 2 else "FAILED")
    assert Counter(outcomes(plan)) == {"SUCCEEDED": 5, "FAILED FAILED": 5, "FAILED BUDGET_EXCEEDED": 10}
    assert len(desk.sent()) == 10
    assert desk.nothing_left()


def test_what_a_call_did_not_spend_is_free_again() -> None:
    """Reserved as the contract estimates, settled as the tool says; what did not happen cost nothing unless the tool says so."""
    desk = Desk()
    plan = desk.submit(call("buy", "a"), call("buy", "b"), call("buy", "c"), policy=within(cost_micros=200_000))
    assert len(desk.sent()) == 2
    assert plan.ledger is not None
    assert plan.ledger.reserved == (2, 200_000, 2_000, 20_000)
    desk.end(plan, 0, spent=Amounts(cost_micros=30_000, tokens=5), running_milliseconds=7)
    assert plan.ledger.spent == (1, 30_000, 5, 7)
    assert len(desk.sent()) == 2
    desk.fail(plan, 1)
    assert plan.ledger.spent == (2, 30_000, 5, 7)
    assert desk.sent()[2:] == [(2, 1, "RUN")]
    desk.succeed(plan, 2)
    assert plan.ledger.spent == (3, 130_000, 1_005, 7)


def test_what_may_have_happened_is_paid_for() -> None:
    """A call in doubt costs what its contract says, and what it reserved is free again."""
    desk = Desk()
    desk.allow(Amounts())
    plan = desk.submit(call("buy"))
    desk.lose(plan, 0)
    assert spent(desk) == (1, 100_000, 1_000, 0)
    desk.settle(plan, 0, "DID_NOT_HAPPEN")
    assert spent(desk) == (1, 100_000, 1_000, 0)


@pytest.mark.parametrize("limits", [{"calls": 0}, {"cost_micros": 99_999}, {"tokens": 999}, {"milliseconds": 9_999}])
def test_a_call_that_can_never_fit_fails_at_once(limits: dict[str, int]) -> None:
    """Calls, cost, tokens, time: each is a limit; the failure names it, what is spent and what is needed."""
    desk = Desk()
    plan = desk.submit(call("buy"), policy=within(**limits))
    assert outcomes(plan) == ["FAILED BUDGET_EXCEEDED"]
    error = plan.calls[0].error
    assert error is not None
    [(name, limit)] = limits.items()
    assert f"the limit is {limit} {name}; 0 are spent, 0 reserved, and the call needs" in error.message


def test_a_call_counts_once_whatever_its_attempts_and_each_attempt_costs() -> None:
    """Neither is being asked whether it happened a call, nor does it cost anything."""
    desk = Desk()
    desk.allow(Amounts())
    plan = desk.submit(call("buy", "a"), call("book", "b"))
    desk.lose(plan, 0, retry=True)
    desk.wait(1)
    desk.succeed(plan, 0)
    desk.lose(plan, 1)
    desk.end(plan, 1, running_milliseconds=999)
    assert spent(desk) == (2, 200_000, 2_000, 0)
    assert desk.nothing_left()


def test_a_further_attempt_needs_no_further_call() -> None:
    """The one that a call needed it has, also if the limit is below that by now."""
    desk = Desk()
    desk.allow(Amounts(calls=1))
    plan = desk.submit(call("pay"))
    desk.fail(plan, 0, retry=True)
    desk.wait(2)
    desk.fail(plan, 0, retry=True)
    desk.allow(Amounts(calls=0))
    desk.wait(4)
    assert len(desk.sent()) == 3
    desk.succeed(plan, 0)
    assert spent(desk)[0] == 1


def test_a_further_attempt_that_does_not_fit_ends_the_call() -> None:
    """Failed, if no former attempt can have happened; in doubt, if one may have."""
    desk = Desk()
    for lost, expected in ((False, "FAILED BUDGET_EXCEEDED"), (True, "IN_DOUBT BUDGET_EXCEEDED")):
        plan = desk.submit(call("buy"), policy=Policy(in_doubt="END", budget=Amounts(cost_micros=150_000)))
        desk.end(plan, 0, "IN_DOUBT" if lost else "FAILED", retry=True, spent=Amounts(cost_micros=60_000))
        desk.wait(1)
        assert outcomes(plan) == [expected]
        assert len(desk.sent(plan)) == 1


def test_an_attempt_that_is_due_waits_for_the_budget_without_a_timer() -> None:
    """It is woken when another call was settled, and until then nothing rings and nothing is noted twice."""
    desk = Desk()
    plan = desk.submit(call("buy", "a"), call("buy", "b"), policy=within(cost_micros=200_000))
    ledger = plan.ledger
    assert ledger is not None
    desk.fail(plan, 0, retry=True)
    third = desk.submit(call("note"))
    desk.allow(Amounts(cost_micros=100_000))
    desk.wait(5)
    assert ledger.waiting == []
    waiting = desk.schedule.board.guards.ledgers["acme", "d", "agent"].waiting
    assert waiting == [("p0", 0)]
    assert not any(due <= desk.now for due, _ in desk.schedule.alarms.heap)
    desk.fail(plan, 1)
    assert desk.sent(plan)[2:] == [(0, 2, "RUN")]
    desk.succeed(plan, 0)
    desk.succeed(third, 0)
    assert desk.nothing_left()


def test_a_call_that_got_its_account_and_waits_for_the_budget_does_so_after_a_crash() -> None:
    """What wakes it is in the row, though nothing else of its plan changed."""
    desk = Desk()
    holder = desk.submit(call("pay", "b"))
    plan = desk.submit(call("pay", "a"), call("pay", "b"), policy=within(calls=1))
    desk.succeed(holder, 0)
    desk.succeed(plan, 0)
    assert outcomes(plan) == ["SUCCEEDED", "FAILED BUDGET_EXCEEDED"]


def test_calls_that_run_when_a_budget_is_set_have_their_share_of_it() -> None:
    """Those that are only asked about have none, and neither has what runs longer than its plan more than one."""
    desk = Desk()
    running, asked, stopped = (desk.submit(call(name, name)) for name in ("pay", "book", "buy"))
    desk.lose(asked, 0)
    desk.cancel(stopped)
    desk.allow(Amounts(calls=10))
    ledger = desk.schedule.board.guards.ledgers["acme", "d", "agent"]
    assert ledger.reserved == (2, 100_000, 1_000, 20_000)
    for plan in (running, asked, stopped):
        desk.succeed(plan, 0)
    assert (ledger.reserved, ledger.spent) == ((0, 0, 0, 0), (2, 100_000, 1_000, 0))


def test_a_higher_limit_starts_what_waited_and_a_lower_one_ends_it() -> None:
    """A reset forgets what was spent, and not what is reserved."""
    desk = Desk()
    desk.allow(Amounts(calls=1))
    plan = desk.submit(call("note"), call("note"), call("note"))
    assert len(desk.sent()) == 1
    desk.allow(Amounts(calls=2))
    assert len(desk.sent()) == 2
    desk.succeed(plan, 0)
    desk.allow(Amounts(calls=1))
    assert outcomes(plan)[2] == "FAILED BUDGET_EXCEEDED"
    desk.allow(Amounts(calls=1), reset=True)
    ledger = desk.schedule.board.guards.ledgers["acme", "d", "agent"]
    assert (ledger.spent[0], ledger.reserved[0]) == (0, 1)


def test_a_plan_and_its_agent_are_both_held_to_their_budgets() -> None:
    """The narrower one counts, over all plans of the agent in the domain, and is no other agent's."""
    desk = Desk()
    desk.allow(Amounts(calls=3))
    first = desk.submit(call("note"), call("note"), policy=within(calls=5))
    second = desk.submit(call("note"), call("note"), policy=within(calls=5))
    other = desk.submit(call("note"), call("note"), agent="another")
    assert [len(desk.sent(plan)) for plan in (first, second, other)] == [2, 1, 2]
    assert {fact["plan_id"] for fact in desk.facts(BudgetChanged)} == {"p0", "p1", None}


def test_a_plan_that_ends_while_it_waits_for_a_budget_leaves_nobody_waiting() -> None:
    """Others of its agent are woken all the same, and its own call never starts."""
    desk = Desk()
    desk.allow(Amounts(calls=2, milliseconds=10_000))
    running, waiting, behind = (desk.submit(call("note")) for _ in range(3))
    desk.cancel(waiting)
    assert waiting.outcome == "CANCELLED"
    desk.succeed(running, 0)
    assert (desk.sent(waiting), desk.sent(behind)) == ([], [(0, 1, "RUN")])
    desk.succeed(behind, 0)
    assert desk.nothing_left()


def test_what_undoes_is_not_kept_from_running_by_a_budget() -> None:
    """It counts all the same."""
    desk = Desk()
    plan = desk.submit(
        call("pay"), call("note", after=[0]), policy=Policy(on_failure="COMPENSATE", budget=Amounts(calls=2))
    )
    desk.succeed(plan, 0)
    desk.fail(plan, 1)
    desk.succeed(plan, 2)
    assert plan.outcome == "COMPENSATED"
    assert plan.ledger is not None
    assert (plan.ledger.spent[0], plan.ledger.reserved) == (3, (0, 0, 0, 0))
