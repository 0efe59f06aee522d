"""A step as text, all that its record would say: what two runs are compared by."""

from __future__ import annotations

from typing import Any

from motet.plan import Committed, Ended, Fact, Started, Stopped, Word
from motet.simulation.tools import LIMITS


def said(step: Any) -> str:
    """A step as text, all that its record would say."""
    plan = step.plan
    if isinstance(step, Ended):
        return f"{plan.plan_id} {plan.terminal(LIMITS)}"
    if isinstance(step, (Fact, Word)):
        return f"{plan.plan_id} {step.record.func.__name__} {step.record.keywords}"
    if isinstance(step, Started):
        return f"{plan.plan_id} {step.invocations}"
    if isinstance(step, Committed):
        return f"{plan.plan_id} {step.calls}"
    if isinstance(step, Stopped):
        return f"{plan.plan_id} {step.calls} {step.reason}"
    return f"{plan.plan_id} {step.index} {step.invocation}"
