"""What a rehearsal tells of a plan: its committed history, and why it is open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from motet.plan import Plan
from motet.plan.model import Call
from motet.records import AdmittedCall, CallsCommitted, CommittedCall, PlanAdmitted, PlanEnded, PlanRejected


def committed(events: Iterable[Any]) -> str:
    """A plan's committed history: a line a call, in the order in which they have their place, and the end's digest."""
    calls: tuple[AdmittedCall, ...] = ()
    lines = []
    for event in events:
        match event:
            case PlanAdmitted():
                calls = event.calls
            case CallsCommitted():
                lines += [line_of(calls[one.index], one) for one in event.calls]
            case PlanRejected():
                lines += [f"REJECTED {one.code}: {one.message}" for one in event.reasons]
            case PlanEnded():
                lines.append(f"{event.outcome} {event.history_sha256}")
    return "\n".join(lines)


def line_of(call: AdmittedCall, end: CommittedCall) -> str:
    """One call as it stands in the history."""
    said = end.result if end.error is None else f"{end.error.code}: {end.error.message}"
    return f"{call.call_id} {call.tool}@{call.contract_version} {call.arguments} {end.outcome} {said}"


def why_open(plan: Plan | None, now: float) -> str:
    """What a plan waits for, and how a test goes on."""
    if plan is None:
        return "the plan was not admitted, and nobody answered it: was it submitted to this rehearsal?"
    waits = "; ".join(reasons(plan)) or "nothing of it can happen now"
    return f"plan {plan.plan_id} is open after {now:g} s: {waits}"


def reasons(plan: Plan) -> Iterator[str]:
    """Why calls of a plan have not ended."""
    for index, call in plan.everything():
        name = call.call_id if index < len(plan.calls) else f"the compensation of {call.call_id}"
        reason = reason_of(call)
        if reason:
            yield f"{name} ({call.tool}) {reason}"


def reason_of(call: Call) -> str:
    """Why a call has not ended; empty if it has."""
    if call.in_doubt:
        return 'is in doubt: rehearsal.settle(plan, call, "happened" | "did_not_happen" | "compensate")'
    if call.approval == "ASKED" and call.status == "WAITING":
        return "waits for a person: rehearsal.approve(plan, call), deny, or advance until its approval expires"
    if call.status == "WAITING":
        return "waits for what another call or plan has"
    return "" if call.status == "DONE" else f"is {call.status}"
