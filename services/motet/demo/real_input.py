"""The first half: the leaderboard's scenarios through Motet, compared with the plain serial run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from motet.chassis.canonical import canonical_json, compact
from motet.client import Client, Outcome
from motet.demo import agents, apis, reference
from motet.demo.dataset import Scenario
from motet.demo.plans import scenario_plans
from motet.records import SubmitPlan
from motet.tools.host import schemas_of

SHOWN_DIFFERENCES = 5


@dataclass(frozen=True, slots=True)
class RealInput:
    """What came of it. `differences` are the first few, in words."""

    tenant: str
    scenarios: int
    turns: int
    calls: int
    scenarios_equal: int
    calls_equal: int
    seconds: float
    differences: tuple[str, ...]
    # The digest of each plan's committed history; None for a turn without calls.
    histories: tuple[tuple[str | None, ...], ...]

    @property
    def equal(self) -> bool:
        """Whether every result and every final state equals the reference."""
        return self.scenarios_equal == self.scenarios and self.calls_equal == self.calls


def run(
    client: Client,
    postgres_url: str,
    tenant: str,
    scenarios: Sequence[Scenario],
    ended: Callable[[], None],
    plans_of: Callable[[Scenario], Sequence[SubmitPlan]] = scenario_plans,
) -> RealInput:
    """Runs all scenarios at once, an agent each, and compares. `plans_of` says how a scenario is written as plans."""
    conversations = [[replace(plan, tenant=tenant) for plan in plans_of(one)] for one in scenarios]
    began = time.monotonic()
    outcomes = agents.run_all(client, conversations, ended)
    seconds = time.monotonic() - began
    # The first plan loads the initial states; the turns follow.
    got = {
        one.id: [results_of(outcome, len(turn)) for turn, outcome in zip(one.turns, conversation[1:], strict=True)]
        for one, conversation in zip(scenarios, outcomes, strict=True)
    }
    return compared(
        tenant,
        scenarios,
        got,
        final_states(postgres_url, tenant),
        seconds,
        tuple(tuple(outcome.history_sha256 for outcome in conversation) for conversation in outcomes),
    )


def compared(
    tenant: str,
    scenarios: Sequence[Scenario],
    got: Mapping[str, Sequence[Sequence[str]]],
    states: Mapping[tuple[str, str], str],
    seconds: float,
    histories: tuple[tuple[str | None, ...], ...] = (),
) -> RealInput:
    """Results, by scenario, turn and call, and final states beside those of the plain serial run."""
    expected = reference.run_all(scenarios)
    differences: list[str] = []
    equal_calls = equal_scenarios = 0
    for scenario in scenarios:
        want = expected[scenario.id]
        for turn, (results, have_all) in enumerate(zip(want.results, got[scenario.id], strict=True)):
            for index, (wanted, have) in enumerate(zip(results, have_all, strict=True)):
                if canonical_json(wanted) == have:
                    equal_calls += 1
                else:
                    differences.append(f"{scenario.id}, turn {turn}, call {index}: {have} instead of {wanted}")
        unequal = [
            name for name, state in want.states.items() if compact(state) != states.get((name, scenario.id), "nothing")
        ]
        equal_scenarios += not unequal
        differences += [f"{scenario.id}: the final state of {name} differs" for name in unequal]
    return RealInput(
        tenant,
        len(scenarios),
        sum(len(one.turns) for one in scenarios),
        sum(len(turn) for one in scenarios for turn in one.turns),
        equal_scenarios,
        equal_calls,
        seconds,
        tuple(differences[:SHOWN_DIFFERENCES]),
        histories,
    )


def results_of(outcome: Outcome, count: int) -> list[str]:
    """A plan's results as canonical JSON; what is no result is said in words, so that it equals nothing."""
    if len(outcome.results) != count:
        return [f"({outcome.status}: {[one.message for one in outcome.reasons]})"] * count
    return [one.result if one.result is not None else f"({one.status}: {one.error_message})" for one in outcome.results]


def final_states(postgres_url: str, tenant: str) -> dict[tuple[str, str], str]:
    """The state of each object as its tool service's own table has it, by class and scenario."""
    out: dict[tuple[str, str], str] = {}
    with psycopg.connect(postgres_url) as connection:
        for name, toolset in apis.TOOLSETS.items():
            if name in apis.STATELESS:
                continue
            schema = schemas_of(toolset)[0]
            rows: Any = connection.execute(
                f"SELECT domain, state::text FROM {schema}.instance WHERE tenant = %s".encode(), (tenant,)
            )
            out.update({(name, domain): compact(json.loads(state)) for domain, state in rows})
    return out
