"""The leaderboard's scenarios: all calls parse, fit their tools, and give the same answers wherever their objects are kept."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from motet.chassis.canonical import canonical_json, compact
from motet.demo import apis, berkeley_agent, dataset, led, plans, reference
from motet.demo.toolsets import MODULES
from motet.plan import Contracts, Limits, Plan, admit
from motet.records import Meta, Mode, SubmitPlan
from motet.tools import Context, Tool, load

SCENARIOS: Final = dataset.scenarios()
LIMITS: Final = Limits()
CONTEXT: Final = Context.for_testing()
# Prints one digest over every result and final state, and one over every contract.
PROGRAM: Final = """
import test_demo_dataset as this
print(this.outcomes_digest(this.reference.run_all(this.SCENARIOS)), this.contracts_digest())
"""


def tools() -> dict[str, Tool]:
    """Every tool of the demo by its full name."""
    return {tool.name: tool for module in MODULES for tool in load(module).tools}


def contracts() -> Contracts:
    """What the coordinator knows once all the demo's services are up."""
    known = Contracts()
    for tool in tools().values():
        known.add(tool.contract_fields().record(Meta("e", "c", "", "", "", 0, 0, None)))
    return known


def outcomes_digest(outcomes: dict[str, reference.Outcome]) -> str:
    """One digest over results and states."""
    text = compact([[name, outcome.results, dict(outcome.states)] for name, outcome in outcomes.items()])
    return hashlib.sha256(text.encode()).hexdigest()


def contracts_digest() -> str:
    """One digest over the digests of all contracts."""
    text = " ".join(f"{tool.name} {tool.contract_fields().sha256}" for tool in tools().values())
    return hashlib.sha256(text.encode()).hexdigest()


def as_the_services_do(scenario: dataset.Scenario) -> reference.Outcome:
    """The same calls, each on an object that is read from JSON text before it and written to JSON text after it."""
    rows = {name: compact(apis.dump(apis.create(name, scenario.config(name)))) for name in scenario.classes}
    results = []
    for turn in scenario.turns:
        answers: list[Any] = []
        for call in turn:
            instance = apis.load(call.class_name, json.loads(rows[call.class_name]))
            answers.append(json.loads(canonical_json(apis.call(instance, call.function, call.arguments()))))
            rows[call.class_name] = compact(apis.dump(instance))
        results.append(tuple(answers))
    return reference.Outcome(
        tuple(results), {name: json.loads(row) for name, row in rows.items() if name not in apis.STATELESS}
    )


def test_the_data_set_is_the_one_that_the_figures_speak_of() -> None:
    """200 scenarios, 734 turns, 1,142 calls on eight classes."""
    calls = [call for scenario in SCENARIOS for turn in scenario.turns for call in turn]
    assert (len(SCENARIOS), sum(len(one.turns) for one in SCENARIOS), len(calls)) == (200, 734, 1_142)
    assert {call.class_name for call in calls} == set(apis.MODULES)
    assert len({scenario.id for scenario in SCENARIOS}) == 200


def test_every_plan_is_admitted() -> None:
    """Set-up and turns fit the toolsets' schemas and limits; only turns without a call are refused, for that."""
    known = contracts()
    refused = []
    admitted = 0
    for scenario in SCENARIOS:
        for command in plans.scenario_plans(scenario):
            answer = admit(command, "p", len(compact([call.arguments for call in command.calls])), known, LIMITS, 0)
            if isinstance(answer, Plan):
                admitted += sum(not call.tool.endswith(".load_scenario") for call in command.calls)
            else:
                refused.append((command, [reason.code for reason in answer]))
    assert admitted == 1_142
    assert [codes for _, codes in refused] == [["EMPTY_PLAN"]] * 3
    assert all(isinstance(command, SubmitPlan) and not command.calls for command, _ in refused)


def admitted(mode: Mode, *, versions: bool) -> int:
    """How many of the 931 plans with calls a mode admits."""
    known = contracts()
    written = [plans.scenario_plans(scenario) for scenario in SCENARIOS]
    commands = [
        replace(command, mode=mode)
        for one in written
        for command in (plans.versioned(one) if versions else one)
        if command.calls
    ]
    assert len(commands) == 931
    return sum(isinstance(admit(command, "p", 100, known, LIMITS, 0), Plan) for command in commands)


def test_which_plans_a_mode_admits() -> None:
    """Everything but what uses an object choreographed; and that too, once its calls say which version they expect."""
    assert admitted("CHOREOGRAPHED", versions=False) == 10
    assert admitted("HYBRID", versions=False) == 931
    modes: tuple[Mode, ...] = ("ORCHESTRATED", "CHOREOGRAPHED", "HYBRID")
    assert [admitted(mode, versions=True) for mode in modes] == [931] * 3


def test_objects_kept_as_json_between_calls_behave_like_objects_in_memory() -> None:
    """All 1,142 results and all final states are equal: what the tool services do changes nothing."""
    assert {scenario.id for scenario in SCENARIOS if as_the_services_do(scenario) != reference.run(scenario)} == set()


def test_tools_without_state_answer_as_the_reference() -> None:
    """The maths tools run through the SDK: arguments as the plan carries them, results as canonical JSON."""
    offered = tools()
    calls = [call for one in SCENARIOS for turn in one.turns for call in turn if call.class_name in apis.STATELESS]
    assert calls
    for call in calls:
        text = offered[plans.tool(call)].run(call.arguments_json, CONTEXT)
        expected = apis.call(apis.create(call.class_name, {}), call.function, call.arguments())
        assert text == canonical_json(expected)


def test_two_processes_agree() -> None:
    """Results, states and contracts are the same whatever the seed of Python's hashes."""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    lines = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        lines.add(done.stdout)
    assert len(lines) == 1


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("1 + 1", "is no call of a function by its name"),
        ("a.b()", "is no call of a function by its name"),
        ("fly(1)", "none of the scenario's classes GorillaFileSystem has 'fly'"),
        ("pwd(1)", "does not fit GorillaFileSystem.pwd"),
    ],
)
def test_a_ground_truth_that_is_no_call_is_named(source: str, said: str) -> None:
    """Another version of the data set fails with what is wrong in it, not later."""
    with pytest.raises(dataset.DatasetUnusable) as caught:
        dataset.parse_call(source, ("GorillaFileSystem",))
    assert said in str(caught.value)


def test_positional_arguments_get_their_names() -> None:
    """`cd('x')` and `cd(folder='x')` are one call."""
    classes = ("GorillaFileSystem",)
    assert dataset.parse_call("cd('x')", classes) == dataset.parse_call("cd(folder='x')", classes)


def test_a_scenario_recorded_as_a_models_answers_is_its_ground_truth_in_order() -> None:
    """To each question the calls of its turn, by the names that a model is offered, and one word behind them."""
    for scenario in SCENARIOS[:40]:
        answers = list(led.answers_of(scenario))
        assert len(scenario.questions) == len(scenario.turns)
        for turn in scenario.turns:
            if turn:
                asked = answers.pop(0)
                assert asked.content is None
                assert [(one.name, one.arguments) for one in asked.tool_calls] == [
                    (plans.tool(call).replace(".", "__"), call.arguments()) for call in turn
                ]
            assert answers.pop(0).content == f"Done: {len(turn)} calls."
        assert not answers
    offered = {one.name for one in berkeley_agent.contracts()}
    assert {plans.tool(call) for one in SCENARIOS for turn in one.turns for call in turn} <= offered
    assert not any(name.endswith("load_scenario") for name in offered)
