"""What the decider of leases decides, as records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from motet.chassis.hop import Hop
from motet.leases.lease import Ended, Granted, Lease, Queued, Renewed, Step
from motet.records import (
    LeaseEvent,
    LeasesExpired,
    LeasesGranted,
    LeasesQueued,
    LeasesReleased,
    LeasesRenewed,
    Meta,
)

EVENTS: Final = "motet.leases"
MILLISECONDS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Cause:
    """What led to the facts: the id of the record that was taken, and its time in the log."""

    event_id: str
    timestamp_ms: int


def tell(hop: Hop, cause: Cause, steps: Sequence[Step]) -> list[LeaseEvent]:
    """Emits the facts, in order, and returns them."""
    told: list[LeaseEvent] = []
    for step in steps:
        record = fact(step, meta(hop, cause, step.lease))
        hop.emit(EVENTS, record)
        told.append(record)
    return told


def fact(step: Step, meta: Meta) -> LeaseEvent:
    """One step as a fact."""
    lease = step.lease
    who = lease.holder, lease.resources
    match step:
        case Queued():
            seconds = lease.duration / MILLISECONDS
            return LeasesQueued(meta, lease.lease_id, lease.idempotency_key, *who, seconds, lease.wait_until)
        case Granted(at=at):
            seconds = lease.duration / MILLISECONDS
            head = (lease.lease_id, lease.idempotency_key, *who, lease.token)
            return LeasesGranted(meta, *head, seconds, at, step.at_once, lease.expires_at)
        case Renewed():
            return LeasesRenewed(meta, lease.lease_id, *who, lease.token, lease.expires_at)
        case Ended(end="RELEASED" | "WITHDRAWN" as end):
            return LeasesReleased(meta, lease.lease_id, *who, lease.token, end)
        case Ended(end=end):
            return LeasesExpired(meta, lease.lease_id, *who, lease.token, end, lease.due_at)


def meta(hop: Hop, cause: Cause, lease: Lease) -> Meta:
    """The meta of a fact about a lease."""
    place = lease.tenant, lease.domain, lease.correlation_id, lease.traceparent
    return hop.meta(cause.event_id, cause.timestamp_ms, *place)
