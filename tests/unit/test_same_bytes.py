"""The same bytes (P4): one set of inputs, calls that overtake each other in every way, one committed history and one text for a model."""

from __future__ import annotations

import json
from collections import deque
from random import Random
from typing import Final

import pytest

from motet.client.outcome import outcome_of
from motet.plan import Committed, Ended, Plan, Schedule, Started, Step, from_state, to_state
from motet.records import FinishedCall, Invocation, PlanEnded, PlannedCall, SubmitPlan
from registers import CONTRACTS, LIMITS, META, UNLUCKY, World, plan_of

SEEDS: Final = 1_000
WINDOWS: Final = (1, 2, 8, 32)


def call(index: int, tool: str, key: str, n: object, *after: str) -> PlannedCall:
    """A planned call."""
    return PlannedCall(f"c{index}", tool, None, json.dumps({"key": key, "n": n}), after)


def submitted() -> list[SubmitPlan]:
    """A plan that is wide enough for 32 calls at once, one that takes turns with it, and one in which calls fail and are skipped."""
    wide = [call(index, "r.append", f"w{index}", index % UNLUCKY) for index in range(32)]
    first = {"$result": {"call": "c1"}}
    turns = [
        call(0, "r.append", "w0", 1),
        call(1, "r.append", "w0", 2, "c0"),
        call(2, "r.put", "x", first, "c1"),
        call(3, "r.get", "x", 0, "c2"),
    ]
    unlucky = [
        call(0, "r.put", "y", UNLUCKY),
        call(1, "r.put", "z", UNLUCKY),
        call(2, "r.add", "w0", 1, "c0", "c1"),
        call(3, "r.get", "w0", 0),
    ]
    return [
        SubmitPlan(f"k{number}", "acme", "d", "agent", "PLAN", tuple(calls), None, None)
        for number, calls in enumerate((wide, turns, unlucky))
    ]


# Admitted once: what is tried is what comes behind it.
ADMITTED: Final = [to_state(plan_of(command, number)) for number, command in enumerate(submitted())]


class Hosted:
    """A schedule before a tool host that runs `window` calls at once, in the order in which they came; they end in any order."""

    def __init__(self, window: int, chance: Random) -> None:
        self.schedule = Schedule(LIMITS, CONTRACTS)
        self.world = World()
        self.window, self.chance = window, chance
        self.waiting: deque[tuple[Plan, Invocation]] = deque()
        self.running: list[tuple[str, FinishedCall]] = []
        self.commits: dict[str, list[object]] = {}
        self.ends: dict[str, tuple[str, object]] = {}
        # In which order calls ended: it must differ between runs, or nothing was tried.
        self.order: list[str] = []

    def take(self, steps: list[Step]) -> None:
        """Notes what follows."""
        for step in steps:
            match step:
                case Started(plan, invocations):
                    self.waiting += [(plan, one) for one in invocations]
                case Committed(plan, calls):
                    self.commits.setdefault(plan.plan_id, []).extend(one.to_avro() for one in calls)
                case Ended(plan):
                    outcome, results, history = plan.terminal(LIMITS)
                    names = (plan.plan_id, plan.idempotency_key, plan.agent)
                    ended = PlanEnded(META, *names, outcome, results, history, plan.remaining)
                    told = outcome_of(ended)
                    assert told is not None
                    self.ends[plan.plan_id] = (told.text, ended.to_avro())

    def run(self) -> bytes:
        """Everything that is committed, as bytes."""
        for state in ADMITTED:
            self.take(self.schedule.admit(from_state(state)))
        while self.waiting or self.running:
            while self.waiting and len(self.running) < self.window:
                plan, one = self.waiting.popleft()
                self.running.append((plan.plan_id, self.world.run(plan, one)))
            plan_id, end = self.running.pop(self.chance.randrange(len(self.running)))
            self.order.append(f"{plan_id}/{end.index}")
            self.take(self.schedule.finished(plan_id, [end]))
        assert not self.schedule.plans
        return json.dumps([self.commits, self.ends], sort_keys=True).encode()


@pytest.mark.parametrize("window", WINDOWS)
def test_however_calls_overtake_each_other_the_history_has_the_same_bytes(window: int) -> None:
    """1,000 seeds a width: commits in plan order, terminal events and their texts for a model are those of one call at a time."""
    one_at_a_time = Hosted(1, Random(0)).run()  # noqa: S311  no secret
    orders = set()
    # One at a time there is one order.
    for seed in range(SEEDS if window > 1 else 2):
        hosted = Hosted(window, Random(seed))  # noqa: S311  no secret
        assert hosted.run() == one_at_a_time, f"seed {seed}, {window} calls at once"
        orders.add(tuple(hosted.order))
    assert len(orders) == (1 if window == 1 else SEEDS)
