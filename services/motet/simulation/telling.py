"""Records for the story of a run: what a person reads."""

from __future__ import annotations

from functools import partial
from typing import Any

from motet.simulation.inputs import Asked


def shown(record: Any) -> str:
    """A record for the story."""
    if isinstance(record, Asked):
        return described(record)
    if isinstance(record, str):
        return f"plan {record}"
    if not isinstance(record, tuple):
        return f"{type(record).__name__} of plan {record.plan_id}"
    if isinstance(record[1], partial):
        return f"{record[1].func.__name__} of plan {record[1].keywords['plan_id']}"
    if len(record) < 3 and isinstance(record[1], str):  # noqa: PLR2004  the timer of a scope
        return f"scope {record[1]}"
    plan_id, calls = record[0], record[1] or (record[2],)
    return f"{', '.join(f'c{one.index}' for one in calls)} of plan {plan_id}"


def described(asked: Asked) -> str:
    """A command for the story."""
    if asked.template is None:
        return f"{type(asked.command).__name__} {getattr(asked.command, 'plan_id', '')}".strip()
    calls = ", ".join(
        f"{call.call_id} {call.tool} {call.arguments}{' after ' + ' '.join(call.after) if call.after else ''}"
        for call in asked.template.command.calls
    )
    again = "" if asked.kind == "submit" else f" ({asked.kind})"
    return f"plan {asked.template.plan_id}{again} [{asked.template.command.isolation}: {calls}]"
