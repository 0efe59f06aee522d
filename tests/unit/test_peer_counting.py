"""The comparison with others: what it counts is what is there, and a planted fault of each kind is found."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from benchmarks.peers import measuring, report
from benchmarks.peers.counting import Counts, Row, count
from benchmarks.peers.measuring import Ended, Flow, percentile
from benchmarks.peers.work import SHAPES, Call, Plan, plans_of

CLEAN = Counts(
    calls=6,
    duplicates=0,
    lost_effects=0,
    lost_results=0,
    strange_results=0,
    results_out_of_order=0,
    effects_out_of_order=0,
)
PLANS = [
    Plan(name, index, tuple(Call(f"{name}-{call}", "hot") for call in range(3))) for index, name in enumerate("ab")
]
ROWS = [Row(call.key, "hot", place) for place, call in enumerate(itertools.chain(*(plan.calls for plan in PLANS)))]
RESULTS: dict[str, Sequence[str | None]] = {plan.name: plan.expected for plan in PLANS}


def test_what_is_right_counts_as_right() -> None:
    """Every call once, every result in its place: no fault, and the number of calls."""
    assert count(PLANS, RESULTS, ROWS) == CLEAN
    assert CLEAN.right


def test_an_effect_that_happened_twice_is_a_duplicate() -> None:
    """Each row too many counts; it is no entry out of order, for the first one stands."""
    counts = count(PLANS, RESULTS, [*ROWS, Row("a-0", "hot", 7), Row("a-0", "hot", 8)])
    assert counts == replace(CLEAN, duplicates=2)
    assert not counts.right


def test_a_call_without_a_row_is_a_lost_effect() -> None:
    """Though its result arrived."""
    assert count(PLANS, RESULTS, ROWS[1:]) == replace(CLEAN, lost_effects=1)


def test_a_plan_without_an_answer_has_lost_all_of_its_results() -> None:
    """Its effects are there."""
    assert count(PLANS, {"a": PLANS[0].expected}, ROWS) == replace(CLEAN, lost_results=3)


@pytest.mark.parametrize("results", [["a-0", "a-1"], ["a-0", "a-1", None]])
def test_one_result_that_is_missing_is_lost(results: list[str | None]) -> None:
    """An answer that is too short, or has a hole."""
    assert count(PLANS, RESULTS | {"a": results}, ROWS) == replace(CLEAN, lost_results=1)


def test_results_that_changed_places_are_out_of_order() -> None:
    """Both of them, and none is lost."""
    assert count(PLANS, RESULTS | {"a": ["a-1", "a-0", "a-2"]}, ROWS) == replace(CLEAN, results_out_of_order=2)


def test_a_result_of_another_plan_is_strange_and_its_own_is_lost() -> None:
    """It is not counted as out of order."""
    counts = count(PLANS, RESULTS | {"a": ["b-0", "a-1", "a-2"]}, ROWS)
    assert counts == replace(CLEAN, strange_results=1, lost_results=1)


def test_a_result_too_many_is_out_of_order() -> None:
    """The first of two is in its place."""
    assert count(PLANS, RESULTS | {"a": ["a-0", "a-1", "a-2", "a-2"]}, ROWS) == replace(CLEAN, results_out_of_order=1)


def test_an_entry_that_overtook_an_earlier_call_is_out_of_order() -> None:
    """Within one plan and one account; it is told and is no fault, for parallel calls promise no such order."""
    rows = [Row("a-0", "hot", 2), Row("a-1", "hot", 1), Row("a-2", "hot", 3), *ROWS[3:]]
    counts = count(PLANS, RESULTS, rows)
    assert counts == replace(CLEAN, effects_out_of_order=1)
    assert counts.right


def test_entries_on_two_accounts_do_not_overtake_each_other() -> None:
    """Each account counts its own entries."""
    plan = Plan("a", 0, (Call("a-0", "one"), Call("a-1", "two"), Call("a-2")))
    rows = [Row("a-0", "one", 9), Row("a-1", "two", 1), Row("a-2", "", 0)]
    assert count([plan], {"a": plan.expected}, rows).effects_out_of_order == 0


def test_percentiles_are_of_the_nearest_rank() -> None:
    """The smallest value that at least the share of all does not exceed."""
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1.0, 50.0, 99.0, 100.0]
    assert percentile([7.0], 0.99) == 7.0
    assert math.isnan(percentile([], 0.5))


def test_what_ends_in_the_ramp_or_after_the_time_is_not_measured() -> None:
    """Its calls count for correctness alone."""
    ends = [(0.0, 0.5), (0.5, 1.5), (1.0, 2.9), (2.0, 3.5)]
    flow = Flow(1.0, 3.0, ended=[Ended(PLANS[0], (), *times) for times in ends])
    assert flow.calls_per_second == 3.0
    assert flow.latencies_ms == [1000.0, pytest.approx(1900.0)]
    assert flow.longest_pause_seconds == pytest.approx(1.4)


def test_plans_that_fail_or_hang_have_no_results() -> None:
    """They are submitted all the same; the others go on, and the run ends."""

    async def run(plan: Plan) -> Sequence[str | None]:
        if plan.number == 0:
            await asyncio.sleep(3_600)
        await asyncio.sleep(0.01)
        if plan.number == 1:
            raise RuntimeError("no")
        return plan.expected

    flow = asyncio.run(measuring.flow(run, plans_of(SHAPES[0], "t"), 2, 0.2, 0.05))
    assert {plan.number for plan in flow.submitted} - {one.plan.number for one in flow.ended} == {0, 1}
    assert flow.failures == ["t-000001: RuntimeError: no"]
    assert len(flow.ended) > 2


def test_a_worker_is_killed_once_while_it_is_measured() -> None:
    """Plans go on meanwhile."""
    killed: list[int] = []
    done: list[str] = []

    async def run(plan: Plan) -> Sequence[str | None]:
        await asyncio.sleep(0.005)
        done.append(plan.name)
        return plan.expected

    async def kill() -> None:
        killed.append(len(done))

    flow = asyncio.run(measuring.flow(run, plans_of(SHAPES[0], "t"), 1, 0.2, 1.0, kill))
    assert len(killed) == 1
    assert 0 < killed[0] < len(flow.ended)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_the_work_is_the_same_for_all(shape: object) -> None:
    """Two peers get the same plans but for the run's name, of the shape's size, and every key is new."""
    assert isinstance(shape, type(SHAPES[0]))
    first, second = (list(itertools.islice(plans_of(shape, "t"), 50)) for _ in range(2))
    assert first == second
    keys = [call.key for plan in first for call in plan.calls]
    assert len(keys) == len(set(keys)) == 50 * shape.calls
    accounts = {call.account for plan in first for call in plan.calls}
    assert {"own": accounts == {""}, "hot": accounts == {"hot"}, "zipf": len(accounts) > 20}[shape.accounts]


def test_the_page_has_what_ran_and_what_did_not() -> None:
    """A shape that did not run is a dash, a peer that could not be installed is named with its reason."""
    counts = {"calls": 8, "duplicates": 3} | dict.fromkeys(
        ("lost_effects", "lost_results", "strange_results", "results_out_of_order", "effects_out_of_order"), 0
    )
    figures = {
        "calls_per_second": 1234.5,
        "p50_ms": 1.26,
        "p99_ms": None,
        "longest_pause_seconds": 0.5,
        "others_share": 0.04,
    }
    about = {"title": "Somebody", "api": "a", "effects": "e", "settings": {"workers": "one"}}
    peer = {"name": "some", "about": about, "versions": {"some": "1.0"}}
    machine = {"processor": "P", "cores": 2, "memory_gib": 4, "system": "S", "python": "3", "flush_ms": 0.5}
    page = report.page(
        {
            "date": "27 November 2026",
            "machine": machine,
            "seconds": 15.0,
            "peers": [
                peer
                | {
                    "shapes": [
                        {"shape": "single", "in_flight": 1, "counts": counts} | figures,
                        {"shape": "killed", "in_flight": 32, "counts": counts} | figures,
                    ]
                }
            ],
            "floors": {"hop_records_per_second": 12_000},
            "failed": {"other": "npm is not on the PATH"},
        }
    )
    assert "| Somebody | 1.3 | n/a | n/a | n/a | n/a | n/a | n/a | n/a | 4 % |" in page
    assert "| Somebody | 8 | 3 | 0 | 0 | 0 | 0 | 0.5 |" in page
    assert "- other: npm is not on the PATH" in page
    assert "12,000" in page
