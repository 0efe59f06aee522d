"""What goes otherwise, in the tables: attempts, barriers, approvals, doubt, compensation, budgets, breakers, refused commands."""

from __future__ import annotations

import json

from motet.chassis.text import printable
from motet.modes import host_of
from motet.projector.changes import RELEASED, Changes, Row, moment, moment_or_none
from motet.projector.fault_tables import (
    APPROVALS,
    BREAKERS,
    BUDGETS,
    COMMANDS_REFUSED,
    COMPENSATIONS,
    CONFLICTS,
    FORMER_ATTEMPTS,
)
from motet.records import (
    Amounts,
    ApprovalDecided,
    ApprovalRequested,
    AttemptsEnded,
    BarrierRaised,
    BreakerChanged,
    BudgetChanged,
    CallSettled,
    CallsProgressed,
    CommandRefused,
    CompensationEnded,
    CompensationResumed,
    CompensationStarted,
    EndedAttempt,
    Failure,
    LeaseRefused,
    Meta,
    VersionConflict,
)

# What a call in doubt uses is nobody's until it is settled.
QUARANTINE: Row = {"in_doubt": True, "open": True}
SETTLED: Row = {"in_doubt": False, "open": False}
STATUS_OF_NEXT = {"RETRY": "RETRYING", "RECONCILE": "RECONCILING", "IN_DOUBT": "IN_DOUBT"}


def owned(meta: Meta) -> Row:
    """Whose a row is."""
    return {"tenant": meta.tenant, "domain": meta.domain}


def error_columns(error: Failure | None) -> Row:
    """Why something did not succeed."""
    return {
        "error_code": None if error is None else printable(error.code),
        "error_message": None if error is None else printable(error.message),
    }


def attempts_ended(changes: Changes, record: AttemptsEnded, at: str) -> None:
    """Attempts ended that were not the end of their call."""
    for one in record.attempts:
        changes.upsert(
            FORMER_ATTEMPTS,
            {
                "plan_id": record.plan_id,
                "index": one.index,
                "compensation": one.compensation,
                "attempt": one.attempt,
                "late": one.late,
                **owned(record.meta),
                "ended_at": at,
                "outcome": one.outcome,
                **error_columns(one.error),
                "next": one.next,
                "next_at": moment_or_none(one.next_at),
                "event_id": record.meta.event_id,
            },
        )
        if one.compensation:
            compensation_attempt_ended(changes, record, one)
        elif one.late:
            late(changes, record.plan_id, one, at)
        else:
            columns: Row = {"status": STATUS_OF_NEXT.get(one.next, "STARTED"), **error_columns(one.error)}
            columns |= {"next_attempt_at": moment_or_none(one.next_at), "key": one.key or None, "waits_for": None}
            if one.next == "IN_DOUBT":
                columns |= {"in_doubt": True, "in_doubt_since": at}
                changes.claims.change(record.plan_id, one.index, QUARANTINE)
            changes.change_call(record.plan_id, one.index, columns)


def compensation_attempt_ended(changes: Changes, record: AttemptsEnded, one: EndedAttempt) -> None:
    """An attempt to undo a call ended. One in doubt keeps what it uses, in a line of its own or in its call's place."""
    row = compensation_key(record.plan_id, one.index, record.meta)
    if one.next == "IN_DOUBT":
        changes.claims.change(record.plan_id, one.index, {"in_doubt": True, "undo_open": True})
        changes.claims.change(record.plan_id, one.index, QUARANTINE, compensation=True)
    elif not one.late:
        state = STATUS_OF_NEXT.get(one.next, "RUNNING")
        row |= {"state": state, "next_attempt_at": moment_or_none(one.next_at), "waits_for": None}
    changes.upsert(COMPENSATIONS, row)


def compensation_let_go(changes: Changes, plan_id: str, index: int) -> None:
    """What undoes a call is in no line any more, and nothing is kept for it in its call's place."""
    changes.claims.change(plan_id, index, RELEASED, compensation=True)
    changes.claims.change(plan_id, index, {"in_doubt": False, "undo_open": False})


def version_conflict(changes: Changes, record: VersionConflict, at: str) -> None:
    """A call met another version than it expected."""
    for one in record.conflicts:
        nobody = not one.found
        changes.upsert(
            CONFLICTS,
            {
                "event_id": record.meta.event_id,
                "resource": printable(one.resource),
                **owned(record.meta),
                "plan_id": record.plan_id,
                "index": record.index,
                "compensation": record.compensation,
                "tool": record.tool,
                "key": record.key,
                "attempt": record.attempt,
                "expected": one.expected,
                "found": one.found,
                "found_plan_id": None if nobody else printable(one.found_plan_id),
                "found_index": None if nobody else one.found_index,
                "found_key": None if nobody else printable(one.found_key),
                "found_at": moment_or_none(one.found_at),
                "next": record.next,
                "at": at,
                "hlc": record.meta.hlc,
            },
        )


def late(changes: Changes, plan_id: str, one: EndedAttempt, at: str) -> None:
    """An attempt ended after its call had its place in the history."""
    columns: Row = {
        "late_outcome": one.outcome,
        "late_result": one.result,
        "late_error": None if one.error is None else printable(one.error.code),
    }
    if one.next == "IN_DOUBT":
        columns |= {"in_doubt": True, "in_doubt_since": at}
        changes.claims.change(plan_id, one.index, QUARANTINE)
    elif not one.open:
        changes.claims.change(plan_id, one.index, {"open": False})
    if not one.open:
        columns["runs_on"] = False
    changes.change_call(plan_id, one.index, columns)


def barrier_raised(changes: Changes, record: BarrierRaised, at: str) -> None:
    """Nothing more of a plan starts; what runs keeps what it uses."""
    changes.change_plan(
        record.plan_id,
        status="STOPPING",
        stopped_by=record.cause,
        stopped_at=at,
        stop_reason=printable(record.reason),
        stop_agent=None if record.agent is None else printable(record.agent),
    )
    for index in record.running:
        changes.change_call(record.plan_id, index, {"runs_on": True})
        changes.claims.change(record.plan_id, index, {"open": True})


def approval_requested(changes: Changes, record: ApprovalRequested, at: str) -> None:
    """A call waits for a person."""
    changes.upsert(
        APPROVALS,
        {
            "plan_id": record.plan_id,
            "index": record.index,
            **owned(record.meta),
            "call_id": record.call_id,
            "tool": record.tool,
            "contract_version": record.contract_version,
            "arguments": record.arguments,
            "arguments_sha256": record.arguments_sha256,
            "state": "REQUESTED",
            "requested_at": at,
            "expires_at": moment(record.expires_at),
        },
    )
    columns = {"status": "AWAITING_APPROVAL", "arguments_sha256": record.arguments_sha256}
    changes.change_call(record.plan_id, record.index, columns)


def approval_decided(changes: Changes, record: ApprovalDecided, at: str) -> None:
    """Somebody decided, or nobody did."""
    changes.upsert(
        APPROVALS,
        {
            "plan_id": record.plan_id,
            "index": record.index,
            **owned(record.meta),
            "state": record.decision,
            "decided_at": at,
            "decided_by": None if record.agent is None else printable(record.agent),
            "reason": printable(record.reason),
        },
    )
    if record.decision == "APPROVED":
        changes.change_call(record.plan_id, record.index, {"status": "WAITING"})
        # If nothing before it waits outside of the lines, it gets in line with the next event.
        changes.claims.change(record.plan_id, record.index, {"outside": "PREDECESSOR"})


def call_settled(changes: Changes, record: CallSettled, at: str) -> None:
    """A call that was in doubt is settled."""
    by = printable(record.agent)
    if record.compensation:
        state = "SUCCEEDED" if record.finding == "HAPPENED" else "FAILED"
        row = compensation_key(record.plan_id, record.index, record.meta)
        changes.upsert(COMPENSATIONS, row | {"state": state, "result": record.result, "ended_at": at, "settled_by": by})
        compensation_let_go(changes, record.plan_id, record.index)
        return
    columns: Row = {"in_doubt": False, "finding": record.finding, "settled_by": by, "settled_at": at}
    if record.finding == "HAPPENED":
        columns["late_result"] = record.result
    changes.change_call(record.plan_id, record.index, columns)
    changes.claims.change(record.plan_id, record.index, SETTLED)


def calls_progressed(changes: Changes, record: CallsProgressed, at: str) -> None:
    """Running calls say how far they are."""
    for one in record.calls:
        changes.change_call(record.plan_id, one.index, {"progress": one.progress, "progressed_at": at})


def compensation_key(plan_id: str, index: int, meta: Meta) -> Row:
    """The key of a compensation's row, and whose it is."""
    return {"plan_id": plan_id, "index": index, **owned(meta)}


def compensation_started(changes: Changes, record: CompensationStarted, at: str) -> None:
    """An attempt to undo a call began."""
    row = {
        **compensation_key(record.plan_id, record.index, record.meta),
        "tool": record.tool,
        "contract_version": record.contract_version,
        "arguments": record.arguments,
        "arguments_sha256": record.arguments_sha256,
        "key": record.key,
        "attempt": record.attempt,
        "state": "RUNNING",
        "started_at": at,
        "next_attempt_at": None,
        "waits_for": None,
        "ended_at": None,
        **error_columns(None),
    }
    changes.upsert(COMPENSATIONS, row)
    changes.change_plan(record.plan_id, status="COMPENSATING")


def compensation_ended(changes: Changes, record: CompensationEnded, at: str) -> None:
    """The compensation of a call ended."""
    row = {
        **compensation_key(record.plan_id, record.index, record.meta),
        "attempt": record.attempt,
        "state": record.outcome,
        "result": record.result,
        "next_attempt_at": None,
        "waits_for": None,
        "ended_at": at,
        **error_columns(record.error),
    }
    changes.upsert(COMPENSATIONS, row)
    if record.outcome != "IN_DOUBT":
        compensation_let_go(changes, record.plan_id, record.index)
    if record.outcome not in ("SUCCEEDED", "SKIPPED"):
        changes.change_plan(record.plan_id, status="COMPENSATION_FAILED", remaining=list(record.remaining))
    elif record.remaining:
        changes.change_plan(record.plan_id, remaining=list(record.remaining))
    else:
        changes.change_plan(record.plan_id, status="COMPENSATED", remaining=[])


def compensation_resumed(changes: Changes, record: CompensationResumed, at: str) -> None:
    """Somebody has a compensation go on."""
    status = "COMPENSATING" if record.remaining else "COMPENSATED"
    changes.change_plan(record.plan_id, status=status, remaining=list(record.remaining))
    for index in (*record.skipped, *record.remaining):
        compensation_let_go(changes, record.plan_id, index)
    for index in record.remaining:
        changes.upsert(COMPENSATIONS, compensation_key(record.plan_id, index, record.meta) | {"state": "WAITING"})
    for index in record.skipped:
        row = compensation_key(record.plan_id, index, record.meta)
        by = {"state": "SKIPPED", "settled_by": printable(record.agent), "ended_at": at}
        changes.upsert(COMPENSATIONS, row | by)


def budget_changed(changes: Changes, record: BudgetChanged, at: str) -> None:
    """What a plan or an agent has spent and reserved."""
    row: Row = {
        **owned(record.meta),
        "agent": printable(record.agent),
        "plan_id": record.plan_id or "",
        "scope": "AGENT" if record.plan_id is None else "PLAN",
        "changed_at": at,
    }
    for what, amounts in (("limit", record.limits), ("reserved", record.reserved), ("spent", record.spent)):
        row |= amount_columns(what, amounts)
    changes.upsert(BUDGETS, row)


def amount_columns(what: str, amounts: Amounts) -> Row:
    """Amounts as columns."""
    return {
        f"calls_{what}": amounts.calls,
        f"cost_micros_{what}": amounts.cost_micros,
        f"tokens_{what}": amounts.tokens,
        f"milliseconds_{what}": amounts.milliseconds,
    }


def breaker_changed(changes: Changes, record: BreakerChanged, at: str, partition: int) -> None:
    """A tool's circuit breaker opened or closed."""
    host = host_of(record.plan_id)
    row: Row = {"tool": record.tool, "host": host, "partition": partition}
    row |= {"state": record.state, "failures": record.failures}
    changes.upsert(BREAKERS, row | {"until": moment_or_none(record.until), "changed_at": at})


def command_refused(changes: Changes, record: CommandRefused, at: str) -> None:
    """A command about something that is there was refused."""
    changes.upsert(COMMANDS_REFUSED, refusal(record, record.agent, record.plan_id, at))


def refusal(record: CommandRefused | LeaseRefused, agent: str, plan_id: str | None, at: str) -> Row:
    """The row of a command that changed nothing."""
    reasons = [
        {
            "code": one.code,
            "message": printable(one.message),
            "call_id": None if one.call_id is None else printable(one.call_id),
        }
        for one in record.reasons
    ]
    return {
        "event_id": record.meta.event_id,
        "command": record.command,
        **owned(record.meta),
        "agent": printable(agent),
        "idempotency_key": printable(record.idempotency_key),
        "plan_id": None if plan_id is None else printable(plan_id),
        "reasons": json.dumps(reasons, ensure_ascii=False),
        "refused_at": at,
    }
