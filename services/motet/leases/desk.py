"""What a command about leases leads to: steps, or every reason why it is refused. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from motet.leases.book import Book
from motet.leases.lease import Lease, Step
from motet.leases.limits import LeaseLimits
from motet.leases.plans import command_of, scope_of
from motet.plan.identity import lease_id_of, plan_lease_id
from motet.plan.text import carriable
from motet.records import (
    AcquireLeases,
    GiveBackLeases,
    LeaseCommand,
    Reason,
    ReleaseLease,
    RenewLease,
    TakeLeases,
)

MILLISECONDS: Final = 1_000
Refusal = tuple[Reason, ...]


class Desk:
    """Answers commands about leases."""

    def __init__(self, book: Book, limits: LeaseLimits) -> None:
        self.book = book
        self.limits = limits

    def acquire(
        self, command: AcquireLeases, correlation_id: str, traceparent: str | None, now: int
    ) -> list[Step] | Refusal:
        """All resources at once: granted, in line, or refused."""
        reasons = tuple(self.faults(command))
        return reasons or self.ask(lease_of(command, lease_id_of(command), correlation_id, traceparent, now), now)

    def take(self, request: TakeLeases, now: int) -> list[Step] | Refusal:
        """The same for a plan, by its host. A repeat changes nothing."""
        command, meta = command_of(request, now), request.meta
        lease_id = plan_lease_id(*scope_of(request), request.plan_id)
        reasons = tuple(self.faults(command))
        if reasons or lease_id in self.book.leases:
            return reasons or []
        lease = replace(
            lease_of(command, lease_id, meta.correlation_id, meta.traceparent, now),
            wait_until=max(now, request.wait_until),
            plan_id=request.plan_id,
            plan_domain=meta.domain,
        )
        return self.ask(lease, now)

    def ask(self, lease: Lease, now: int) -> list[Step] | Refusal:
        """A request that nothing is wrong with, and that may not wait if its time for that is over."""
        ahead = self.book.ahead(lease) if lease.wait_until <= now else []
        if ahead:
            return tuple(
                self.reason("HELD", f"{taken(one, lease)}; ask with wait_seconds to wait for it") for one in ahead
            )
        return self.book.acquire(lease, now)

    def give_back(self, request: GiveBackLeases, now: int) -> list[Step]:
        """A plan gives back what it has of a scope, or waits for it no longer. If it is over, its time was."""
        lease = self.book.leases.get(plan_lease_id(*scope_of(request), request.plan_id))
        return [] if lease is None else self.book.release(lease, now)

    def renew(self, command: RenewLease, now: int) -> list[Step] | Refusal:
        """By its holder, with its token, for a bounded time."""
        lease = self.named(command)
        if not isinstance(lease, Lease):
            return lease
        if not lease.token:
            return (self.reason("NOT_HELD", f"lease {lease.lease_id} waits still: there is nothing to renew"),)
        reasons = tuple(self.duration_faults(command.duration_seconds))
        return reasons or self.book.renew(lease, math.ceil(command.duration_seconds * MILLISECONDS), now)

    def release(self, command: ReleaseLease, now: int) -> list[Step] | Refusal:
        """By its holder, with its token."""
        lease = self.named(command)
        return self.book.release(lease, now) if isinstance(lease, Lease) else lease

    def named(self, command: RenewLease | ReleaseLease) -> Lease | Refusal:
        """The lease that a command names, if it is there and the command may speak of it."""
        reasons = tuple(self.command_faults(command))
        if reasons:
            return reasons
        lease = self.book.leases.get(command.lease_id)
        if lease is None or lease.scope != (command.tenant, command.domain):
            message = f"lease {command.lease_id!r} is over, or was never there: ask for a new one"
            return (self.reason("NOT_HELD", message),)
        if lease.plan_id:
            message = f"plan {lease.plan_id} has lease {lease.lease_id} until nothing of it is open: cancel the plan"
            return (self.reason("OTHER_HOLDER", message),)
        if lease.holder != command.agent:
            message = f"lease {lease.lease_id} belongs to {lease.holder!r}, and {command.agent!r} asks"
            return (self.reason("OTHER_HOLDER", message),)
        if lease.token != command.token:
            message = f"stale token {command.token} for lease {lease.lease_id}: it has token {lease.token}"
            return (self.reason("STALE_TOKEN", message),)
        return lease

    # -- what is wrong with a request --------------------------------------------------------------------------------------

    def faults(self, command: AcquireLeases) -> Iterator[Reason]:
        """Everything that is wrong with a request."""
        yield from self.command_faults(command)
        yield from self.resource_faults(set(command.resources))
        yield from self.duration_faults(command.duration_seconds)
        wait = command.wait_seconds
        # Written so that NaN is refused.
        if not 0 <= wait <= self.limits.wait_seconds:
            yield self.reason("BAD_WAIT", f"wait_seconds is {wait:g}; it is from 0 to {self.limits.wait_seconds:g}")
        held = self.book.holders[command.tenant, command.agent]
        if held >= self.limits.per_holder:
            message = f"{command.agent!r} has {held} leases open in this shard; the limit is {self.limits.per_holder}: release some"
            yield self.reason("TOO_MANY_LEASES", message)
        have = self.book.tenants[command.tenant]
        if have >= self.limits.per_tenant:
            message = (
                f"tenant {command.tenant} has {have} leases open in this shard; the limit is {self.limits.per_tenant}"
            )
            yield self.reason("TOO_MANY_LEASES", message)

    def resource_faults(self, resources: set[str]) -> Iterator[Reason]:
        """What is wrong with names of resources."""
        if not 0 < len(resources) <= self.limits.resources:
            message = (
                f"the request names {len(resources)} resources; from 1 to {self.limits.resources} can be leased at once"
            )
            yield self.reason("BAD_RESOURCES", message)
            return
        for name in sorted(resources):
            if not 0 < len(name) <= self.limits.resource_length or not name.isprintable():
                message = f"resource {name[:50]!r}: 1 to {self.limits.resource_length} printable characters"
                yield self.reason("BAD_RESOURCES", message)

    def duration_faults(self, seconds: float) -> Iterator[Reason]:
        """What is wrong with how long a lease shall be held."""
        if not 0 < seconds <= self.limits.lease_seconds:
            message = f"duration_seconds is {seconds:g}; it is above 0 and at most {self.limits.lease_seconds:g}: renew it in time"
            yield self.reason("BAD_DURATION", message)

    def command_faults(self, command: LeaseCommand) -> Iterator[Reason]:
        """What is wrong with any command's names."""
        for what, name in (("idempotency_key", command.idempotency_key), ("agent", command.agent)):
            if not 0 < len(name) <= self.limits.identifier_length or not name.isprintable():
                message = f"{what} {name[:50]!r}: 1 to {self.limits.identifier_length} printable characters"
                yield self.reason("BAD_IDENTIFIER", message)

    def reason(self, code: str, message: str) -> Reason:
        """A reason that a fact can carry."""
        return Reason(code, carriable(message, self.limits.message_length), None)


def lease_of(command: AcquireLeases, lease_id: str, correlation_id: str, traceparent: str | None, now: int) -> Lease:
    """What a request asks for."""
    return Lease(
        lease_id,
        command.tenant,
        command.domain,
        command.agent,
        tuple(sorted(set(command.resources))),
        math.ceil(command.duration_seconds * MILLISECONDS),
        now + math.ceil(command.wait_seconds * MILLISECONDS),
        command.idempotency_key,
        correlation_id,
        traceparent,
    )


def taken(first: Lease, asked: Lease) -> str:
    """Who is before a request, and where."""
    shared = ", ".join(name for name in asked.resources if name in first.resources)
    how = f"is held by {first.holder!r}" if first.token else f"has {first.holder!r} in line"
    return f"{shared} {how}"
