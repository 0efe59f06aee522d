"""A plan by itself: its row, its order, its keys and its history."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from motet.plan import Limits, Plan, Schedule, from_state, to_state
from motet.plan.graph import find_cycle, topological_order
from motet.records import Failure, FinishedCall, PlannedCall, SubmitPlan
from registers import CONTRACTS, LIMITS, Run, commands, plan_of

CHANCES = st.randoms(use_true_random=False)


def derived(plan: Plan) -> list[tuple[int, list[int]]]:
    """What a row does not hold: how many calls each call waits for, and which wait for it."""
    return [(call.waits, plan.followers[index]) for index, call in enumerate(plan.calls)]


def command(*calls: PlannedCall) -> SubmitPlan:
    """A command."""
    return SubmitPlan("k", "acme", "d", "agent", "PLAN", calls, "c", None)


@settings(max_examples=100)
@given(commands(), CHANCES)
def test_a_row_is_the_plan_at_every_step(submitted: list[SubmitPlan], chance: Random) -> None:
    """Written and read again after each step, a plan has the same state, order, edges and history so far."""
    run = Run(chance.randrange)
    for number, one in enumerate(submitted):
        run.take(run.schedule.admit(plan_of(one, number)))
    while True:
        assert set(run.rows) == set(run.schedule.plans)
        restored = run.restored()
        for plan_id, plan in run.schedule.plans.items():
            row = run.rows[plan_id]
            again = from_state(row)
            assert to_state(plan) == to_state(again) == row
            assert derived(again) == derived(plan)
            assert (again.order, again.committed, again.committed_in) == (plan.order, plan.committed, plan.committed_in)
            assert [one.granted for one in restored.plans[plan_id].calls if one.status != "DONE"] == [
                one.granted for one in plan.calls if one.status != "DONE"
            ]
        if not run.step():
            return


@settings(max_examples=100)
@given(commands(), st.lists(CHANCES, min_size=2, max_size=3))
def test_the_finishing_order_is_not_in_the_history(submitted: list[SubmitPlan], chances: list[Random]) -> None:
    """P4: outcome, results and digest of each plan are the same whatever overtakes whatever."""
    runs = [Run(chance.randrange).all_at_once(submitted) for chance in chances]
    assert all(run.histories == runs[0].histories for run in runs)
    assert all(run.commits == runs[0].commits for run in runs)


EDGES = st.integers(1, 7).flatmap(
    lambda size: st.lists(st.sets(st.integers(0, size - 1)).map(sorted), min_size=size, max_size=size)
)


@given(EDGES)
def test_the_order_is_topological_with_ties_as_written(after: list[list[int]]) -> None:
    """Each call comes behind those it is after; among the possible ones the lowest first; what is in a cycle is missing."""
    order = topological_order(after)
    left = set(range(len(after)))
    for index in order:
        assert index == min(one for one in left if not set(after[one]) & left)
        left.discard(index)
    assert all(set(after[one]) & left for one in left)
    cycle = find_cycle(after)
    assert bool(cycle) == bool(left)
    assert len(set(cycle)) == len(cycle)
    for index, before in zip(cycle, [*cycle[1:], *cycle[:1]], strict=True):
        assert before in after[index]


def test_every_call_has_a_key_of_its_own() -> None:
    """Plan, place, tool, version and arguments count, and the key is the same whoever derives it."""
    calls = [PlannedCall(f"c{n}", tool, None, f'{{"key":"{key}"}}', ()) for n, (tool, key) in enumerate(
        [("r.put", "a"), ("r.put", "a"), ("r.get", "a"), ("r.put", "b")]
    )]  # fmt: skip
    plans = [plan_of(command(*calls), number) for number in (0, 1)]
    keys = [plan.key_of(index, plan.calls[index]) for plan in plans for index in range(4)]
    assert len(set(keys)) == 8
    assert all(len(key) == 32 for key in keys)
    again = plan_of(command(*calls))
    assert again.key_of(2, again.calls[2]) == keys[2]


def ended(*results: str | None, limits: Limits = LIMITS) -> Plan:
    """A plan whose calls ended with these results; None is a failure."""
    calls = [PlannedCall(f"c{n}", "r.put", None, f'{{"key":"{n}"}}', ()) for n in range(len(results))]
    schedule = Schedule(limits, CONTRACTS)
    plan = plan_of(command(*calls))
    schedule.admit(plan)
    for index, result in enumerate(results):
        call = plan.calls[index]
        outcome: Any = "FAILED" if result is None else "SUCCEEDED"
        error = Failure("NO", "no") if result is None else None
        schedule.finished("p0", [FinishedCall(index, call.key, 1, outcome, result, error)])
        plan.committed_in[index] = f"event-{index}"
    assert plan.ended
    return plan


def test_a_plan_succeeds_if_all_its_calls_do() -> None:
    """The outcome is one word, each call has its own."""
    assert ended("1", "2").terminal(LIMITS)[0] == "SUCCEEDED"
    outcome, results, _ = ended("1", None).terminal(LIMITS)
    assert outcome == "FAILED"
    assert [(one.outcome, one.result, one.error) for one in results] == [
        ("SUCCEEDED", "1", None),
        ("FAILED", None, Failure("NO", "no")),
    ]


def test_large_results_are_named_and_not_repeated() -> None:
    """Inline up to the limit, then by the event that carries them and by digest; the history's digest does not care."""
    plan = ended('"aaaaaaaa"', '"bbbbbbbb"', None)
    whole, cut = plan.terminal(LIMITS), plan.terminal(Limits(inline_result_bytes=15))
    assert [(one.result, one.result_event_id) for one in cut[1]] == [
        ('"aaaaaaaa"', None),
        (None, "event-1"),
        (None, None),
    ]
    assert [one.result_sha256 for one in cut[1]] == [one.result_sha256 for one in whole[1]]
    assert cut[2] == whole[2]


def test_the_history_tells_different_ends_apart() -> None:
    """Another result, another failure, another order of results: another digest."""
    assert (
        len({ended(*one).terminal(LIMITS)[2] for one in (("1", "2"), ("2", "1"), ("1", None), (None, "1"), ("1",))})
        == 5
    )


def test_a_row_holds_what_postgresql_cannot() -> None:
    """Text with NUL, lone surrogates and emoji is escaped."""
    plan = ended("1")
    plan.calls[0].result = "\0\ud800😀"
    state = to_state(plan)
    assert state.isascii()
    assert "\0" not in state
    assert from_state(state).calls[0].result == "\0\ud800😀"
    assert json.loads(state)[0][0] == "p0"
