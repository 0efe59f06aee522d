"""What a schedule would write and what it says, as values that two schedules can be compared by."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from motet.plan import Committed, Ended, Fact, Plan, Schedule, Started, Step, Stopped, Undoing, Word, to_state
from motet.plan.rows import ledger_fields
from motet.records import Reason

ENTERED: Final = re.compile(r'\{"(p|plan |tenant |resource |tool )[^{}]*":\d+\}')
Said = tuple[Any, ...]


def changes(schedule: Schedule) -> tuple[dict[str, str], dict[Any, str], dict[str, tuple[int, int, str]]]:
    """What the coordinator would write; an empty row is one that is deleted."""
    guards = schedule.board.guards
    plans = {one.plan_id: "" if one.finished else to_state(one) for one in schedule.take_changed()}
    budgets = {owner: json.dumps(ledger_fields(guards.ledgers[owner])) for owner in guards.ledgers_changed}
    breakers = {
        name: (one.failures, one.until, one.probe)
        for name, one in ((name, guards.breakers[name]) for name in guards.breakers_changed)
    }
    guards.ledgers_changed.clear()
    guards.breakers_changed.clear()
    return plans, budgets, breakers


def comparable(rows: dict[Any, Any]) -> dict[Any, Any]:
    """Rows without the numbers at which plans got in line, or of their turns: a new process counts on from those that are left, in their order."""
    return {key: ENTERED.sub(in_line_order, row) if isinstance(row, str) else row for key, row in rows.items()}


def in_line_order(found: re.Match[str]) -> str:
    """The names with which a plan got in line, in order."""
    entered: dict[str, int] = json.loads(found[0])
    return json.dumps(sorted(entered, key=entered.__getitem__))


def said(answer: list[Step] | Reason) -> list[Said] | Reason:
    """Steps as values: whose they are does not matter, what they say does."""
    return answer if isinstance(answer, Reason) else [value_of(step) for step in answer]


def value_of(step: Step) -> Said:
    """A step as a value."""
    plan_id = step.plan.plan_id
    match step:
        case Fact(record=record) | Word(record=record):
            return (plan_id, record.func, record.keywords)
        case Started(invocations=invocations):
            return (plan_id, "started", invocations)
        case Undoing(index=index, invocation=invocation):
            return (plan_id, "undoing", index, invocation)
        case Stopped(calls=calls, reason=reason):
            return (plan_id, "stopped", calls, reason)
        case Committed(calls=committed):
            return (plan_id, "committed", committed)
        case Ended(plan=plan):
            return (plan_id, "ended", plan.outcome, history(plan))


def history(plan: Plan) -> list[Said]:
    """What a plan's terminal event says of its calls."""
    return [(one.outcome, one.result, one.error, one.key, one.arguments_sha256) for one in plan.calls]
