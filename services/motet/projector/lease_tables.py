"""Leases in the SQL surface: every request; who holds and who waits are views of it."""

from __future__ import annotations

from typing import Final

from motet.projector.definition import TENANT, Table, columns

SCOPE: Final = ("domain", "text NOT NULL", "The scope: the unit of order of leases within the tenant.")

LEASE_REQUESTS: Final = Table(
    "lease_requests",
    "Every lease that was granted or put in line, with its end.",
    columns(
        ("lease_id", "text NOT NULL", "Derived from tenant, scope, idempotency key and content."),
        TENANT,
        SCOPE,
        ("holder", "text NOT NULL", "Who holds it, or waits."),
        ("resources", "text[] NOT NULL", "What it is for."),
        ("state", "text NOT NULL", "WAITING, HELD; RELEASED, WITHDRAWN, EXPIRED or NOT_IN_TIME."),
        (
            "token",
            "bigint",
            "Its fencing token, above all that were given out before in its scope. Null if never held.",
        ),
        ("asked_at", "timestamptz", "When Kafka had the command."),
        ("duration_seconds", "float8", "How long it was asked for."),
        ("wait_until", "timestamptz", "Until when it might wait. Null if it was granted at once."),
        ("granted_at", "timestamptz", "Since when it is held, or was."),
        ("expires_at", "timestamptz", "Until when it is held unless it is renewed."),
        ("renewals", "bigint", "The offset of its last renewal in motet.leases. Null if it never was."),
        ("ended_at", "timestamptz", "When it ended. Null while it is open."),
        ("place", "bigint", "Where it got in line: the order of those that wait."),
        ("plan_id", "text", "The plan that took it. Null if a command did."),
        ("event_id", "text NOT NULL", "The last event about it."),
    ),
    ("lease_id",),
    ("tenant, domain) WHERE (ended_at IS NULL", "tenant, asked_at"),
)
