"""Leases in the tables. Each row follows from one partition of one topic."""

from __future__ import annotations

from typing import Any

from motet.chassis.text import printable
from motet.projector.changes import Changes, Row, moment
from motet.projector.fault_events import refusal
from motet.projector.fault_tables import COMMANDS_REFUSED
from motet.projector.lease_tables import LEASE_REQUESTS
from motet.records import LeaseRefused, LeasesExpired, LeasesGranted, LeasesQueued, LeasesReleased, LeasesRenewed


def lease_event(changes: Changes, record: Any, at: str, offset: int) -> None:
    """An event about leases."""
    match record:
        case LeasesQueued():
            row = asked(record, at, offset) | {"state": "WAITING", "token": None, "granted_at": None}
            changes.upsert(LEASE_REQUESTS, row | {"expires_at": None, "wait_until": moment(record.wait_until)})
        case LeasesGranted():
            row = owned(record) | {"state": "HELD", "token": record.token, "ended_at": None}
            row |= {"granted_at": moment(record.granted_at), "expires_at": moment(record.expires_at)}
            if record.at_once:
                row = asked(record, at, offset) | row | {"wait_until": None}
            changes.upsert(LEASE_REQUESTS, row)
        case LeasesRenewed():
            row = {"state": "HELD", "expires_at": moment(record.expires_at), "renewals": offset}
            changes.upsert(LEASE_REQUESTS, owned(record) | row)
        case LeasesReleased() | LeasesExpired():
            changes.upsert(LEASE_REQUESTS, owned(record) | {"state": record.end, "ended_at": at})
        case LeaseRefused():
            changes.upsert(COMMANDS_REFUSED, refusal(record, record.holder, None, at))
        case _:
            pass


def owned(record: Any) -> Row:
    """Whose a lease is, and for what."""
    return {
        "lease_id": record.lease_id,
        "tenant": record.meta.tenant,
        "domain": record.meta.domain,
        "holder": printable(record.holder),
        "resources": [printable(name) for name in record.resources],
        "event_id": record.meta.event_id,
    }


def asked(record: LeasesQueued | LeasesGranted, at: str, offset: int) -> Row:
    """The beginning of a lease; one that is asked for again after its window begins anew."""
    row = {"asked_at": at, "duration_seconds": record.duration_seconds, "place": offset}
    row["plan_id"] = None if record.plan_id is None else printable(record.plan_id)
    return owned(record) | row | {"ended_at": None, "renewals": None}
