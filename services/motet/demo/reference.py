"""The same calls on the same classes, one after another, in plain Python: what Motet's answer is compared with.

Nothing of Motet is on this path but the canonical form of the arguments. Objects live in memory from a scenario's first call to
its last; their state is written down once, at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from motet.demo import apis
from motet.demo.dataset import Scenario


@dataclass(frozen=True, slots=True)
class Outcome:
    """A scenario's end: the results of each turn in call order, and each stateful class's final state."""

    results: tuple[tuple[Any, ...], ...]
    states: Mapping[str, Any]


def run(scenario: Scenario) -> Outcome:
    """Runs one scenario from its initial state to its last turn."""
    instances = {name: apis.create(name, scenario.config(name)) for name in scenario.classes}
    results = tuple(
        tuple(apis.call(instances[call.class_name], call.function, call.arguments()) for call in turn)
        for turn in scenario.turns
    )
    states = {name: apis.dump(instance) for name, instance in instances.items() if name not in apis.STATELESS}
    return Outcome(results, states)


def run_all(scenarios: Iterable[Scenario]) -> dict[str, Outcome]:
    """Runs scenarios one after another; outcomes by scenario id."""
    return {scenario.id: run(scenario) for scenario in scenarios}
