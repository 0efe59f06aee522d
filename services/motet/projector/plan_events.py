"""A plan's way in the tables: admitted, started, committed, ended; or rejected, or repeated."""

from __future__ import annotations

import json
from typing import Final

from motet.chassis.text import printable
from motet.plan.graph import topological_order
from motet.projector.changes import RELEASED, Changes, Row, Uses, moment_or_none
from motet.projector.fault_events import owned
from motet.projector.fault_tables import COMPENSATIONS
from motet.records import (
    CallsCommitted,
    CallsEnded,
    CallsLinedUp,
    CallsStarted,
    CallsWaiting,
    CommandRepeated,
    PlanAdmitted,
    PlanEnded,
    PlanRejected,
)

# The columns of `claims` of a call that took its place in the history, and of one that never ran.
ENDED: Final[Row] = {"call_ended": True}
ENDED_UNBEGUN: Final[Row] = {"call_ended": True, "isolation": "CALL"}


def admitted(changes: Changes, record: PlanAdmitted, at: str, partition: int) -> None:
    """A plan and its calls begin."""
    meta, plan_id = record.meta, record.plan_id
    row = {
        "plan_id": plan_id,
        "tenant": meta.tenant,
        "domain": meta.domain,
        "agent": record.agent,
        "idempotency_key": record.idempotency_key,
        "isolation": record.isolation,
        "mode": record.mode,
        "status": "OPEN",
        **policy_columns(record),
        "calls": len(record.calls),
        "leases": list(map(printable, record.leases)),
        "awaits_leases": bool(record.leases),
        "reasons": None,
        "workflow": None if record.workflow is None else printable(record.workflow),
        "shape_sha256": record.shape_sha256 or None,
        "rules": record.rules or None,
        "code_version": printable(record.code_version) or None,
        "correlation_id": meta.correlation_id,
        "command_sha256": record.command_sha256,
        "history_sha256": None,
        "admitted_at": at,
        "ended_at": None,
        "admitted_hlc": meta.hlc,
        "ended_hlc": None,
        "admitted_event_id": meta.event_id,
        "terminal_event_id": None,
        "repeats": 0,
        "partition": partition,
    }
    calls = [
        {
            "plan_id": plan_id,
            "index": index,
            "call_id": call.call_id,
            "tenant": meta.tenant,
            "domain": meta.domain,
            "tool": call.tool,
            "contract_version": call.contract_version,
            "effect": call.effect,
            "after": list(call.after),
            "arguments": call.arguments,
            "arguments_sha256": call.arguments_sha256,
            "status": "AWAITING_APPROVAL" if call.approval else "WAITING",
            "approval": call.approval,
            "in_doubt": False,
            "runs_on": False,
            "leases": list(map(printable, call.leases)),
        }
        for index, call in enumerate(record.calls)
    ]
    changes.admit(plan_id, row, calls, admitted_claims(record, at))


def admitted_claims(record: PlanAdmitted, at: str) -> dict[tuple[int, bool], Uses]:
    """What the calls of a plan use, in line or not. What waits outside of the lines has those behind it wait there too."""
    calls, outside = record.calls, dict[int, str]()
    uses: dict[tuple[int, bool], Uses] = {}
    for rank, index in enumerate(topological_order([call.after for call in calls])):
        call = calls[index]
        if call.approval:
            outside[index] = "APPROVAL"
        elif call.unknown and record.policy.unknown_resources == "LINE_UP":
            outside[index] = "RESULT"
        elif record.leases or (outside and any(before in outside for before in call.after)):
            # One that a plan's leases alone keep outside is shown as such as long as the plan awaits them.
            outside[index] = "PREDECESSOR"
        if call.claims:
            place = (record.plan_id, index, False)
            uses[index, False] = Uses(record.meta, place, call.claims, record.isolation, rank, outside.get(index), at)
    return uses


def lined_up(changes: Changes, record: CallsLinedUp, at: str) -> None:
    """Calls got in line later than their plan, perhaps for something else than was known before; or what undoes them did."""
    for rank, call in enumerate(record.calls):
        place = (record.plan_id, call.index, call.compensation)
        uses = Uses(record.meta, place, call.claims, record.isolation, rank, None, at)
        changes.claims.replace(place, uses)
    changes.change_plan(record.plan_id, awaits_leases=False)


def waiting(changes: Changes, record: CallsWaiting, at: str) -> None:
    """Calls have their resources, and wait for what others have."""
    _ = at
    for call in record.calls:
        columns = {"waits_for": f"{call.reason} {printable(call.what)}"}
        if call.compensation:
            row = {"plan_id": record.plan_id, "index": call.index, **owned(record.meta), **columns}
            changes.upsert(COMPENSATIONS, row)
        else:
            changes.change_call(record.plan_id, call.index, columns)


def call_ends(changes: Changes, record: CallsEnded, at: str) -> None:
    """Calls ended that are not committed yet, or let go of what they used before their plan does."""
    _ = at
    for call in record.calls:
        if not call.committed:
            columns = {"status": "ENDED", "next_attempt_at": None, "waits_for": None}
            changes.change_call(record.plan_id, call.index, columns)
        changes.claims.change(record.plan_id, call.index, RELEASED if call.released else {"call_ended": True})


def policy_columns(record: PlanAdmitted) -> Row:
    """What a plan does when not everything goes well."""
    policy = record.policy
    return {
        "batch": policy.batch,
        "quorum": policy.quorum,
        "on_failure": policy.on_failure,
        "in_doubt": policy.in_doubt,
        "quarantine": policy.quarantine,
        "unknown_resources": policy.unknown_resources,
        "deadline_at": moment_or_none(record.deadline_at),
    }


def started(changes: Changes, record: CallsStarted, at: str) -> None:
    """Attempts of calls began."""
    again: Row = {"status": "STARTED", "attempt_started_at": at, "next_attempt_at": None, "waits_for": None}
    first: Row = {**again, "attempt": 1, "started_at": at, "started_hlc": record.meta.hlc}
    attempts = record.attempts or (1,) * len(record.indexes)
    for index, attempt in zip(record.indexes, attempts, strict=True):
        changes.change_call(record.plan_id, index, first if attempt == 1 else {**again, "attempt": attempt})


def committed(changes: Changes, record: CallsCommitted, at: str) -> None:
    """Calls took their place in the history."""
    every: Row = {
        "committed_at": at,
        "committed_hlc": record.meta.hlc,
        "next_attempt_at": None,
        "waits_for": None,
        "committed_event_id": record.meta.event_id,
    }
    for call in record.calls:
        columns: Row = {
            **every,
            "status": call.outcome,
            "result": call.result,
            "result_sha256": call.result_sha256,
            "error_code": None if call.error is None else printable(call.error.code),
            "error_message": None if call.error is None else printable(call.error.message),
            "key": call.key,
            "attempt": call.attempt,
        }
        if call.arguments_sha256 is not None:
            columns["arguments_sha256"] = call.arguments_sha256
        changes.change_call(record.plan_id, call.index, columns)
        # What never ran keeps nothing for its plan.
        changes.claims.change(record.plan_id, call.index, ENDED if call.attempt else ENDED_UNBEGUN)


def ended(changes: Changes, record: PlanEnded, at: str) -> None:
    """A plan's end."""
    changes.change_plan(
        record.plan_id,
        status=record.outcome,
        history_sha256=record.history_sha256,
        ended_at=at,
        ended_hlc=record.meta.hlc,
        terminal_event_id=record.meta.event_id,
        remaining=list(record.remaining),
    )
    changes.claims.end(record.plan_id)
    changes.over.add(record.plan_id)


def rejected(changes: Changes, record: PlanRejected, at: str, partition: int) -> None:
    """A command that became no plan. Refused under a key that is taken, it may be refused again."""
    if record.plan_id in changes.plans:
        repeated(changes, record.plan_id)
        return
    meta = record.meta
    changes.over.add(record.plan_id)
    changes.plans[record.plan_id] = {
        "plan_id": record.plan_id,
        "tenant": meta.tenant,
        "domain": meta.domain,
        "agent": printable(record.agent),
        "idempotency_key": printable(record.idempotency_key),
        "isolation": None,
        "mode": None,
        "status": "REJECTED",
        "calls": 0,
        "leases": [],
        "awaits_leases": False,
        "reasons": json.dumps(
            [
                {
                    "code": one.code,
                    "message": printable(one.message),
                    "call_id": None if one.call_id is None else printable(one.call_id),
                }
                for one in record.reasons
            ],
            ensure_ascii=False,
        ),
        "correlation_id": meta.correlation_id,
        "command_sha256": None,
        "history_sha256": None,
        "admitted_at": None,
        "ended_at": at,
        "admitted_hlc": None,
        "ended_hlc": meta.hlc,
        "admitted_event_id": None,
        "terminal_event_id": meta.event_id,
        "repeats": 0,
        "partition": partition,
    }


def repeats(changes: Changes, record: CommandRepeated, at: str) -> None:
    """A command came again."""
    _ = at
    repeated(changes, record.plan_id)


def repeated(changes: Changes, plan_id: str) -> None:
    """The same command came again."""
    row = changes.plans.get(plan_id)
    if row is None:
        changes.plans_repeated[plan_id] += 1
    else:
        row["repeats"] += 1
