"""Scenarios as plans: one that sets the world up, then one for each turn.

A call writes one resource, its own object in its own domain (`trading:multi_turn_base_17`). Resources are taken in the order
written, so a turn's calls on one object run in that order; calls on different objects need no order, because the objects share
nothing, and run in parallel. No `after` edge is needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from motet.chassis.canonical import canonical_json
from motet.demo import apis
from motet.demo.dataset import Call, Scenario
from motet.records import ExpectedVersion, PlannedCall, SubmitPlan

TENANT = "bfcl"
WITHOUT_OBJECT: Final = frozenset(apis.TOOLSETS[name] for name in apis.STATELESS)


def setup_plan(scenario: Scenario) -> SubmitPlan:
    """Loads the initial state of each stateful object, so that it is in the log like everything after it."""
    calls = [
        _planned(
            index,
            f"{apis.TOOLSETS[name]}.load_scenario",
            canonical_json({"initial_config": scenario.initial_config.get(name, "{}")}),
        )
        for index, name in enumerate(name for name in scenario.classes if name not in apis.STATELESS)
    ]
    return _plan(scenario, "setup", calls)


def turn_plan(scenario: Scenario, turn: int) -> SubmitPlan:
    """The calls of one turn, from 0, in the order of the ground truth. Three of the 734 turns have none."""
    calls = [_planned(index, tool(call), call.arguments_json) for index, call in enumerate(scenario.turns[turn])]
    return _plan(scenario, str(turn), calls)


def scenario_plans(scenario: Scenario) -> tuple[SubmitPlan, ...]:
    """The set-up and all turns, in the order that the agent submits them."""
    return (setup_plan(scenario), *(turn_plan(scenario, turn) for turn in range(len(scenario.turns))))


def versioned(plans: Sequence[SubmitPlan]) -> tuple[SubmitPlan, ...]:
    """A scenario's plans for modes without lines: each call says which version of its object it expects, and comes behind the last on it.

    An object's version is how often it was written, and each call writes its own once, so the agent knows it.
    """
    written: Counter[str] = Counter()
    return tuple(replace(plan, calls=tuple(_expecting(plan, written))) for plan in plans)


def tool(call: Call) -> str:
    """The full name of the tool that runs a call."""
    return f"{apis.TOOLSETS[call.class_name]}.{call.function}"


def _expecting(plan: SubmitPlan, written: Counter[str]) -> Iterator[PlannedCall]:
    last: dict[str, str] = {}
    for call in plan.calls:
        toolset = call.tool.partition(".")[0]
        if toolset in WITHOUT_OBJECT:
            yield call
            continue
        resource = f"{toolset}:{plan.domain}"
        after = (last[resource],) if resource in last else ()
        yield replace(call, after=after, expected_versions=(ExpectedVersion(resource, written[resource]),))
        written[resource] += 1
        last[resource] = call.call_id


def _planned(index: int, tool_name: str, arguments: str) -> PlannedCall:
    return PlannedCall(f"c{index}", tool_name, None, arguments, ())


def _plan(scenario: Scenario, part: str, calls: list[PlannedCall]) -> SubmitPlan:
    return SubmitPlan(
        idempotency_key=f"{scenario.id}/{part}",
        tenant=TENANT,
        domain=scenario.id,
        agent=f"agent-{scenario.id}",
        isolation="PLAN",
        calls=tuple(calls),
        correlation_id=scenario.id,
        traceparent=None,
    )
