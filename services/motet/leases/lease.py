"""A lease as the decider knows it, and the steps by which it changes."""

from __future__ import annotations

from dataclasses import dataclass

from motet.records import LeaseEnd

# A tenant's scope: within it leases have one order.
Scope = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Lease:
    """One request for some resources of a scope: it waits while its token is 0, then it is held. Times are in milliseconds.

    Of a plan that asked by its host, `plan_id` and `plan_domain` say where the answer goes; of a command both are empty.

    `key` is the digest of its idempotency key, `command_id` the event that asked for it.
    """

    lease_id: str
    tenant: str
    domain: str
    holder: str
    resources: tuple[str, ...]
    duration: int
    wait_until: int
    idempotency_key: str
    correlation_id: str
    traceparent: str | None = None
    arrival: int = 0
    token: int = 0
    expires_at: int = 0
    plan_id: str = ""
    plan_domain: str = ""

    @property
    def scope(self) -> Scope:
        """Where its order is."""
        return self.tenant, self.domain

    @property
    def due_at(self) -> int:
        """When it ends by itself."""
        return self.expires_at if self.token else self.wait_until


@dataclass(frozen=True, slots=True)
class Queued:
    """A lease waits in all its lines."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Granted:
    """A lease is held, from `at` on; `at_once` if it never waited."""

    lease: Lease
    at: int
    at_once: bool


@dataclass(frozen=True, slots=True)
class Renewed:
    """A lease is held longer."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Ended:
    """A lease is over."""

    lease: Lease
    end: LeaseEnd


Step = Queued | Granted | Renewed | Ended
