"""The limits of leases. Each is visible in the configuration and named in the reason that it causes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LeaseLimits:
    """Bounds on what one request may ask for, and on what a holder and a tenant may have open in a shard."""

    resources: int = 16
    lease_seconds: float = 3_600.0
    wait_seconds: float = 3_600.0
    per_holder: int = 100
    per_tenant: int = 10_000
    resource_length: int = 300
    identifier_length: int = 200
    message_length: int = 500
