"""The leases that a call runs under, pure: what it carries of them, and whether its plan has them still."""

from __future__ import annotations

from typing import Final

from motet.plan.model import Call, Plan
from motet.records import Failure, HeldLease

SLASH: Final = "/"
STALE: Final = "STALE_TOKEN"
NOT_HELD: Final = "LEASE_NOT_HELD"


def scope_and_resource(lease: str) -> tuple[str, str]:
    """The scope and the resource of a lease as people write it, scope/resource. A scope has no slash."""
    scope, _, resource = lease.partition(SLASH)
    return scope, resource


def written(scope: str, resource: str) -> str:
    """A lease as people write it."""
    return f"{scope}{SLASH}{resource}"


def tokens(plan: Plan, call: Call) -> tuple[HeldLease, ...]:
    """A call's leases with their tokens."""
    token_of = {one.scope: one.token for one in plan.leases}
    pairs = map(scope_and_resource, call.leases)
    return tuple(HeldLease(scope, resource, token_of[scope]) for scope, resource in pairs)


def hindrance(plan: Plan, leases: tuple[str, ...]) -> Failure | None:
    """Why nothing begins under leases: their time is over, or the plan never asked for them."""
    state_of = {written(one.scope, resource): one.state for one in plan.leases for resource in one.resources}
    for lease in leases:
        if lease not in state_of:
            return Failure(
                NOT_HELD, f"the plan has no lease {lease}, which was not known to be needed at its admission"
            )
        if state_of[lease] == "LOST":
            return Failure(STALE, f"the time of the plan's lease {lease} was over before the call began")
    return None
