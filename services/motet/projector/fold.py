"""Records to row changes, pure: what a batch inserts, changes, deletes and adds up.

A row's first record inserts it and later ones change it; within a batch they are merged, so that a plan that begins and ends in one
batch is written once. Nothing is read: whatever a row needs is in the records themselves.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from typing import Any, Final, get_args

from motet.chassis.text import printable, readable
from motet.projector import agent_events, fault_events, lease_events, plan_events
from motet.projector.changes import Changes, moment
from motet.projector.lineage import Placed, link
from motet.projector.reservations import Reserving, reserving
from motet.records import (
    AgentEvent,
    ApprovalDecided,
    ApprovalRequested,
    AttemptsEnded,
    BarrierRaised,
    BreakerChanged,
    BudgetChanged,
    CallsCommitted,
    CallsEnded,
    CallSettled,
    CallsLinedUp,
    CallsProgressed,
    CallsStarted,
    CallsWaiting,
    CommandRefused,
    CommandRepeated,
    CommittedEvent,
    CompensationEnded,
    CompensationResumed,
    CompensationStarted,
    DeadLetter,
    DeadLetterRepaired,
    LeaseEvent,
    PlanAdmitted,
    PlanEnded,
    PlanRejected,
    ToolContract,
    VersionConflict,
)

# Fields of a contract that are columns as they are.
PLAIN_TERMS: Final = (
    *(
        "attempts",
        "backoff_seconds",
        "backoff_limit_seconds",
        "deadline_seconds",
        "heartbeat_seconds",
        "window_seconds",
    ),
    *("approval", "approval_seconds", "cost_micros", "tokens", "breaker_failures", "breaker_reset_seconds"),
    "at_once",
)


def fold(batch: Iterable[Placed], kept: Changes | None = None) -> Changes:
    """The changes of a batch, in the order given, with what was kept back of those before."""
    changes = Changes() if kept is None else kept
    for one in batch:
        record = one.record
        link(changes, one)
        at = moment(record.meta.recorded_at)
        change = BY_KIND.get(type(record))
        if change is not None:
            change(changes, one, at)
        # Its own time: one that is handled once more comes at another time than it came first.
        changes.progress[one.topic, one.partition] = (one.offset + 1, at)
    return changes


def event(changes: Changes, one: Placed, at: str) -> None:
    """A committed event. Those that change no table are in `lineage` all the same."""
    record = one.record
    kind = type(record)
    seen(changes, record.meta.tenant, at)
    counted(changes, record, at)
    if kind is PlanAdmitted:
        plan_events.admitted(changes, record, at, one.partition)
    elif kind is PlanRejected:
        plan_events.rejected(changes, record, at, one.partition)
    elif kind is BreakerChanged:
        fault_events.breaker_changed(changes, record, at, one.partition)
    else:
        EVENTS.get(kind, nothing)(changes, record, at)


def reservation(changes: Changes, one: Placed, at: str) -> None:
    """What hosts say to each other about resources."""
    reserving(changes, one.record, at)


def lease_event(changes: Changes, one: Placed, at: str) -> None:
    """An event about leases."""
    seen(changes, one.record.meta.tenant, at)
    lease_events.lease_event(changes, one.record, at, one.offset)


def agent_event(changes: Changes, one: Placed, at: str) -> None:
    """An event of an agent."""
    seen(changes, one.record.meta.tenant, at)
    agent_events.agent_event(changes, one.record, at)


def seen(changes: Changes, tenant: str, at: str) -> None:
    """A tenant did something."""
    known = changes.tenants.get(tenant)
    if known is None:
        changes.tenants[tenant] = (at, at)
    elif not known[0] <= at <= known[1]:
        changes.tenants[tenant] = (min(known[0], at), max(known[1], at))


def nothing(changes: Changes, record: Any, at: str) -> None:
    """Changes nothing."""


EVENTS: Final[dict[type, Callable[[Changes, Any, str], None]]] = {
    CallsStarted: plan_events.started,
    CallsCommitted: plan_events.committed,
    PlanEnded: plan_events.ended,
    CommandRepeated: plan_events.repeats,
    CallsLinedUp: plan_events.lined_up,
    CallsWaiting: plan_events.waiting,
    CallsEnded: plan_events.call_ends,
    AttemptsEnded: fault_events.attempts_ended,
    VersionConflict: fault_events.version_conflict,
    BarrierRaised: fault_events.barrier_raised,
    ApprovalRequested: fault_events.approval_requested,
    ApprovalDecided: fault_events.approval_decided,
    CallSettled: fault_events.call_settled,
    CallsProgressed: fault_events.calls_progressed,
    CompensationStarted: fault_events.compensation_started,
    CompensationEnded: fault_events.compensation_ended,
    CompensationResumed: fault_events.compensation_resumed,
    BudgetChanged: fault_events.budget_changed,
    CommandRefused: fault_events.command_refused,
}


def counted(changes: Changes, record: Any, at: str) -> None:
    """Adds to the tenant's day."""
    used = changes.usage[record.meta.tenant, at[:10]]
    match record:
        case PlanAdmitted():
            used["plans_admitted"] += 1
        case CallsCommitted(calls=calls):
            for call in calls:
                used[f"calls_{call.outcome.lower()}"] += 1
        case PlanEnded(outcome=outcome):
            used[f"plans_{outcome.lower()}"] += 1
        case PlanRejected():
            used["plans_rejected"] += 1
        case CommandRepeated():
            used["commands_repeated"] += 1
        case CommandRefused():
            used["commands_refused"] += 1
        case _:
            pass


def repaired(changes: Changes, one: Placed, at: str) -> None:
    """What became of a dead letter; one that nobody knows is no row."""
    record = one.record
    if record.outcome == "NOT_FOUND":
        return
    changes.change_dead_letter(
        record.dead_letter_id,
        {
            "state": record.outcome,
            "repaired_at": at,
            "repaired_by": printable(record.agent),
            "repair_reason": printable(record.reason),
            "released": record.released,
            "failure": None if record.failure is None else printable(record.failure),
        },
    )


def dead_letter(changes: Changes, placed: Placed, at: str) -> None:
    """A record that could not be handled."""
    _, record = at, placed.record
    headers = [
        {"name": one.name, "value": None if one.value is None else base64.b64encode(one.value).decode()}
        for one in record.headers
    ]
    changes.dead_letters[record.meta.event_id] = {
        "event_id": record.meta.event_id,
        "service": record.service,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "appended_at": moment(record.appended_at),
        "tenant": printable(record.meta.tenant),
        "domain": printable(record.meta.domain),
        "key": record.key,
        "key_text": None if record.key is None else readable(record.key),
        "value": record.value,
        "headers": json.dumps(headers),
        "code": record.code,
        "reason": printable(record.reason),
        "parked": record.parked,
        "state": "OPEN",
    }


def contract(changes: Changes, one: Placed, at: str) -> None:
    """A tool's contract; each partition has its own copy, and the first one counts."""
    record = one.record
    place = (record.name, record.version)
    known = changes.contracts.get(place)
    if known is not None:
        known["published_at"] = min(known["published_at"], at)
        return
    changes.contracts[place] = {
        "name": record.name,
        "version": record.version,
        "toolset": record.toolset,
        "description": printable(record.description),
        "effect": record.effect,
        "arguments_schema": record.arguments_schema,
        "result_schema": record.result_schema,
        "claims": json.dumps([claim.to_avro() for claim in record.claims]),
        "at_once_per": json.dumps([one.to_avro() for one in record.at_once_per]),
        "leases": list(map(printable, record.leases)),
        "lease_seconds": record.lease_seconds,
        "timeout_seconds": record.timeout_seconds,
        **{name: getattr(record, name) for name in PLAIN_TERMS},
        "compensation": None if record.compensation is None else json.dumps(record.compensation.to_avro()),
        "sha256": record.sha256,
        "published_at": at,
    }


BY_KIND: Final[dict[type, Callable[[Changes, Placed, str], None]]] = {
    **dict.fromkeys(get_args(CommittedEvent), event),
    **dict.fromkeys(get_args(Reserving), reservation),
    **dict.fromkeys(get_args(LeaseEvent), lease_event),
    **dict.fromkeys(get_args(AgentEvent), agent_event),
    DeadLetter: dead_letter,
    DeadLetterRepaired: repaired,
    ToolContract: contract,
}
