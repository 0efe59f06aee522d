"""What hybrid plans ask the coordinator for, in the tables. Each row follows from two topics, whose order does not matter: none sets what
the other does.
"""

from __future__ import annotations

import json
from typing import Any, Final

from motet.chassis.text import printable
from motet.projector.changes import Changes, Row
from motet.projector.definition import DOMAIN, TENANT, Table, columns
from motet.records import (
    Claim,
    Meta,
    QuarantineResources,
    ReleaseResources,
    ReserveResources,
    ResourcesGranted,
    ResourcesRefused,
)
from motet.resources.names import wholes_above

# What is said between the hosts about them.
Reserving = ReserveResources | QuarantineResources | ReleaseResources | ResourcesGranted | ResourcesRefused

RESERVATIONS: Final = Table(
    "reservations",
    "What hybrid plans asked the coordinator for, each as one: it stands in the coordinator's lines with everything that its calls use.",
    columns(
        ("plan_id", "text NOT NULL", "The plan."),
        TENANT,
        DOMAIN,
        ("claims", "json", "What it uses: resource, mode, operation, and the queues that each passes."),
        ("place", "bigint", "Its place in line: the clock of the request."),
        ("asked_at", "timestamptz", "When it asked."),
        ("granted_at", "timestamptz", "When it was given everything. Null if it was not."),
        ("refused_at", "timestamptz", "When it was refused. Null if it was not."),
        ("released_at", "timestamptz", "When it gave back what it had, or waited no more. Null if it did not."),
        ("doubt", "text", "The call of it that is in doubt: everything is in quarantine. Null or empty if none is."),
    ),
    ("plan_id",),
    ("tenant, domain) WHERE (released_at IS NULL AND refused_at IS NULL",),
)


def reserving(changes: Changes, record: Reserving, at: str) -> None:
    """A plan asks, is answered, has a doubt, or gives back."""
    changes.upsert(RESERVATIONS, row_of(record.plan_id, record.meta) | said(record, at))


def row_of(plan_id: str, meta: Meta) -> Row:
    """Whose a reservation is."""
    return {"plan_id": printable(plan_id), "tenant": meta.tenant, "domain": meta.domain}


def said(record: Reserving, at: str) -> Row:
    """What a record changes."""
    match record:
        case ReserveResources():
            claims = json.dumps([claim_of(claim) for claim in record.claims])
            return {"claims": claims, "place": record.meta.hlc, "asked_at": at, "released_at": None, "doubt": None}
        case QuarantineResources():
            return {"doubt": printable(record.call_id)}
        case ReleaseResources():
            return {"released_at": at}
        case ResourcesGranted():
            return {"granted_at": at}
        case ResourcesRefused():
            return {"refused_at": at}


def claim_of(claim: Claim) -> dict[str, Any]:
    """A claim, and where it stands in line."""
    queues = [printable(name) for name in (*wholes_above(claim.resource), claim.resource)]
    resource, operation = printable(claim.resource), printable(claim.operation)
    return {"resource": resource, "mode": claim.mode, "operation": operation, "queues": queues}
