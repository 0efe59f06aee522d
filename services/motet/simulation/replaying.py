"""A host of plans decided once more: a new process takes what the former one took, in its order, and must publish the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from motet.plan import Plan
from motet.records import CommittedCall, Invocation
from motet.simulation.inputs import Template
from motet.simulation.judge import Judge
from motet.simulation.plan_host import PlanHost
from motet.simulation.violations import Violation


class Silent(Judge):
    """A judge of a replay: what is published is compared, nothing else."""

    silent = True

    def admitted(self, template: Template, position: int) -> None:
        """Says nothing."""

    def started(self, plan: Plan, invocations: Sequence[Invocation]) -> None:
        """Says nothing."""

    def undo(self, plan: Plan, index: int, invocation: Invocation) -> None:
        """Says nothing."""

    def commit(self, plan: Plan, calls: Sequence[CommittedCall]) -> None:
        """Says nothing."""

    def end(self, plan: Plan) -> None:
        """Says nothing."""

    def fact(self, plan: Plan, kind: Any, values: dict[str, Any]) -> None:
        """Says nothing."""

    def reserved(self, plan_id: str, position: int) -> None:
        """Says nothing."""

    def entered(self, plan: Plan, position: int) -> None:
        """Says nothing."""


def compare_replay(of: PlanHost) -> None:
    """Feeds a new process the same inputs in the same order. Raises Violation (P4) where it publishes anything else."""
    again = PlanHost(Silent(of.judge.world), of.name, keeps=True)
    again.inputs = (*again.inputs, again.hears, again.granted)[: len(of.inputs)]
    # A lane between two services is named by whoever writes to it.
    lanes = {lane.name: own for lane, own in zip(of.inputs, again.inputs, strict=True)}
    for now, name, record in of.journal or ():
        again.decide(lanes[name], [record], now)
        again.commit()
    found, expected = again.published or [], of.published or []
    for place, (one, other) in enumerate(zip(expected, found, strict=False)):
        if one != other:
            raise Violation("P4", f"replayed, record {place} is {other[:300]}, and was {one[:300]}")
    if len(found) != len(expected):
        raise Violation("P4", f"replayed, {len(found)} records are published; there were {len(expected)}")
