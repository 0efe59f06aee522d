"""Records to row changes, pure: what a batch inserts, changes, deletes and adds up.

A row's first record inserts it and later ones change it; within a batch they are merged, so that a plan that begins and ends in one
batch is written once. Nothing is read: whatever a row needs is in the records themselves.
"""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from motet.chassis.text import printable, readable
from motet.records import (
    CallsCommitted,
    CallsStarted,
    CommandRepeated,
    DeadLetter,
    Meta,
    PlanAdmitted,
    PlanEnded,
    PlanRejected,
    ToolContract,
)

Row = dict[str, Any]
EVENTS: Final = (PlanAdmitted, PlanRejected, CallsStarted, CallsCommitted, PlanEnded, CommandRepeated)


class Placed(Protocol):
    """A record and where it stands: the chassis's `Received`."""

    @property
    def topic(self) -> str:
        """The topic."""

    @property
    def partition(self) -> int:
        """The partition."""

    @property
    def offset(self) -> int:
        """The offset."""

    @property
    def timestamp_ms(self) -> int:
        """When Kafka had it."""

    @property
    def record(self) -> Any:
        """The record."""


@dataclass(slots=True)
class Claims:
    """Changes of `resources`, by plan and by call."""

    inserted: dict[str, dict[int, list[Row]]] = field(default_factory=dict)
    held: dict[tuple[str, int], str] = field(default_factory=dict)
    committed_calls: set[tuple[str, int]] = field(default_factory=set)
    ended_plans: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Changes:
    """What a batch changes. Times are ISO 8601 texts in UTC."""

    plans: dict[str, Row] = field(default_factory=dict)
    plans_changed: dict[str, Row] = field(default_factory=dict)
    plans_repeated: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    calls: dict[tuple[str, int], Row] = field(default_factory=dict)
    calls_changed: dict[tuple[str, int], Row] = field(default_factory=dict)
    claims: Claims = field(default_factory=Claims)
    lineage: list[Row] = field(default_factory=list)
    dead_letters: list[Row] = field(default_factory=list)
    contracts: dict[tuple[str, int], Row] = field(default_factory=dict)
    tenants: dict[str, tuple[str, str]] = field(default_factory=dict)
    usage: dict[tuple[str, str], dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    progress: dict[tuple[str, int], tuple[int, str]] = field(default_factory=dict)

    def change_plan(self, plan_id: str, **columns: Any) -> None:
        """Changes a plan's row, in this batch's inserts or in the table."""
        row = self.plans.get(plan_id)
        if row is None:
            row = self.plans_changed.setdefault(plan_id, {"plan_id": plan_id})
        row.update(columns)

    def change_call(self, plan_id: str, index: int, columns: Row) -> None:
        """Changes a call's row, in this batch's inserts or in the table."""
        place = (plan_id, index)
        row = self.calls.get(place)
        if row is None:
            row = self.calls_changed.setdefault(place, {"plan_id": plan_id, "index": index})
        row.update(columns)


def fold(batch: Iterable[Placed]) -> Changes:
    """The changes of a batch, in the order given."""
    changes = Changes()
    for one in batch:
        record = one.record
        if isinstance(record, EVENTS):
            event(changes, one)
        elif isinstance(record, DeadLetter):
            dead_letter(changes, record)
        elif isinstance(record, ToolContract):
            contract(changes, record)
        changes.progress[one.topic, one.partition] = (one.offset + 1, moment(one.timestamp_ms))
    return changes


def event(changes: Changes, one: Placed) -> None:
    """A committed event."""
    record = one.record
    meta: Meta = record.meta
    at = moment(meta.recorded_at)
    first, last = changes.tenants.get(meta.tenant, (at, at))
    changes.tenants[meta.tenant] = (min(first, at), max(last, at))
    changes.lineage.append(
        {
            "effect": meta.event_id,
            "cause": meta.causation_id,
            "type": record.FULL_NAME.rpartition(".")[2],
            "tenant": meta.tenant,
            "domain": meta.domain,
            "plan_id": record.plan_id,
            "hlc": meta.hlc,
            "recorded_at": at,
            "partition": one.partition,
            "offset": one.offset,
        }
    )
    used = changes.usage[meta.tenant, at[:10]]
    match record:
        case PlanAdmitted():
            used["plans_admitted"] += 1
            admitted(changes, record, at, one.partition)
        case CallsStarted():
            started(changes, record, at)
        case CallsCommitted():
            for call in record.calls:
                used[f"calls_{call.outcome.lower()}"] += 1
            committed(changes, record, at)
        case PlanEnded():
            used[f"plans_{record.outcome.lower()}"] += 1
            ended(changes, record, at)
        case PlanRejected():
            used["plans_rejected"] += 1
            rejected(changes, record, at, one.partition)
        case CommandRepeated():
            used["commands_repeated"] += 1
            repeated(changes, record.plan_id)


def admitted(changes: Changes, record: PlanAdmitted, at: str, partition: int) -> None:
    """A plan and its calls begin."""
    meta, plan_id = record.meta, record.plan_id
    changes.plans[plan_id] = {
        "plan_id": plan_id,
        "tenant": meta.tenant,
        "domain": meta.domain,
        "agent": record.agent,
        "idempotency_key": record.idempotency_key,
        "isolation": record.isolation,
        "status": "OPEN",
        "calls": len(record.calls),
        "reasons": None,
        "correlation_id": meta.correlation_id,
        "command_sha256": record.command_sha256,
        "history_sha256": None,
        "admitted_at": at,
        "ended_at": None,
        "admitted_event_id": meta.event_id,
        "terminal_event_id": None,
        "repeats": changes.plans[plan_id]["repeats"] if plan_id in changes.plans else 0,
        "partition": partition,
    }
    claims = changes.claims.inserted.setdefault(plan_id, {})
    for index, call in enumerate(record.calls):
        changes.calls[plan_id, index] = {
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
            "status": "WAITING",
        }
        if call.claims:
            claims[index] = [
                {
                    "tenant": meta.tenant,
                    "domain": meta.domain,
                    "resource": printable(claim.resource),
                    "mode": claim.mode,
                    "state": "WAITS",
                    "plan_id": plan_id,
                    "index": index,
                    "isolation": record.isolation,
                    "since": at,
                }
                for claim in call.claims
            ]


def started(changes: Changes, record: CallsStarted, at: str) -> None:
    """Calls got their resources."""
    inserted = changes.claims.inserted.get(record.plan_id)
    for index in record.indexes:
        changes.change_call(record.plan_id, index, {"status": "STARTED", "started_at": at})
        if inserted is None:
            changes.claims.held[record.plan_id, index] = at
        else:
            for row in inserted.get(index, ()):
                row["state"], row["since"] = "HOLDS", at


def committed(changes: Changes, record: CallsCommitted, at: str) -> None:
    """Calls took their place in the history."""
    inserted = changes.claims.inserted.get(record.plan_id)
    event_id = record.meta.event_id
    for call in record.calls:
        columns: Row = {
            "status": call.outcome,
            "committed_at": at,
            "result": call.result,
            "result_sha256": call.result_sha256,
            "error_code": None if call.error is None else printable(call.error.code),
            "error_message": None if call.error is None else printable(call.error.message),
            "key": call.key,
            "attempt": call.attempt,
            "committed_event_id": event_id,
        }
        if call.arguments_sha256 is not None:
            columns["arguments_sha256"] = call.arguments_sha256
        changes.change_call(record.plan_id, call.index, columns)
        if inserted is None:
            changes.claims.committed_calls.add((record.plan_id, call.index))
        elif inserted.get(call.index) and inserted[call.index][0]["isolation"] == "CALL":
            del inserted[call.index]


def ended(changes: Changes, record: PlanEnded, at: str) -> None:
    """A plan's end."""
    changes.change_plan(
        record.plan_id,
        status=record.outcome,
        history_sha256=record.history_sha256,
        ended_at=at,
        terminal_event_id=record.meta.event_id,
    )
    if changes.claims.inserted.pop(record.plan_id, None) is None:
        changes.claims.ended_plans.add(record.plan_id)


def rejected(changes: Changes, record: PlanRejected, at: str, partition: int) -> None:
    """A command that became no plan. Refused under a key that is taken, it may be refused again."""
    if record.plan_id in changes.plans:
        repeated(changes, record.plan_id)
        return
    meta = record.meta
    changes.plans[record.plan_id] = {
        "plan_id": record.plan_id,
        "tenant": meta.tenant,
        "domain": meta.domain,
        "agent": printable(record.agent),
        "idempotency_key": printable(record.idempotency_key),
        "isolation": None,
        "status": "REJECTED",
        "calls": 0,
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
        "admitted_event_id": None,
        "terminal_event_id": meta.event_id,
        "repeats": 0,
        "partition": partition,
    }


def repeated(changes: Changes, plan_id: str) -> None:
    """The same command came again."""
    row = changes.plans.get(plan_id)
    if row is None:
        changes.plans_repeated[plan_id] += 1
    else:
        row["repeats"] += 1


def dead_letter(changes: Changes, record: DeadLetter) -> None:
    """A record that could not be handled."""
    headers = [
        {"name": one.name, "value": None if one.value is None else base64.b64encode(one.value).decode()}
        for one in record.headers
    ]
    changes.dead_letters.append(
        {
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
        }
    )


def contract(changes: Changes, record: ToolContract) -> None:
    """A tool's contract; each partition has its own copy, and the first one counts."""
    place = (record.name, record.version)
    at = moment(record.meta.recorded_at)
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
        "timeout_seconds": record.timeout_seconds,
        "sha256": record.sha256,
        "published_at": at,
    }


def moment(milliseconds: int) -> str:
    """Milliseconds since 1970 as ISO 8601 in UTC, whose texts order as the times do."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
