"""What the decider of leases decides, as records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from motet.chassis.hop import Hop
from motet.leases.lease import Ended, Granted, Lease, Queued, Renewed, Step
from motet.leases.plans import word
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
GRANTS: Final = "motet.lease-grants"
MILLISECONDS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Cause:
    """What led to the facts: the id of the record that was taken, and its time in the log."""

    event_id: str
    timestamp_ms: int


def tell(hop: Hop, cause: Cause, steps: Sequence[Step]) -> list[LeaseEvent]:
    """Emits the facts, in order, and returns them; hosts hear of leases of their plans."""
    told: list[LeaseEvent] = []
    for step in steps:
        record = fact(step, meta(hop, cause, step.lease))
        hop.emit(EVENTS, record)
        told.append(record)
        about = word(step) if step.lease.plan_id else None
        if about is not None:
            tell_host(hop, cause, about, step.lease)
    return told


def tell_host(hop: Hop, cause: Cause, about: partial[Any], lease: Lease) -> None:
    """Tells a plan's host what became of a lease that it asked for."""
    place = lease.tenant, lease.plan_domain, lease.correlation_id, lease.traceparent
    hop.emit(GRANTS, about(meta=hop.meta(cause.event_id, cause.timestamp_ms, *place)))


def fact(step: Step, meta: Meta) -> LeaseEvent:
    """One step as a fact."""
    lease = step.lease
    who = lease.holder, lease.resources
    match step:
        case Queued():
            seconds = lease.duration / MILLISECONDS
            asked = (lease.lease_id, lease.idempotency_key, *who, seconds, lease.wait_until)
            return LeasesQueued(meta, *asked, lease.plan_id or None)
        case Granted(at=at):
            seconds = lease.duration / MILLISECONDS
            head = (lease.lease_id, lease.idempotency_key, *who, lease.token)
            return LeasesGranted(meta, *head, seconds, at, step.at_once, lease.expires_at, lease.plan_id or None)
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
