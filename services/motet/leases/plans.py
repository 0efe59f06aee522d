"""Leases of plans: what a host of plans asks for, as the desk takes it, and what the book decided, as the plan's host hears it. Pure."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from motet.leases.lease import Ended, Granted, Scope, Step
from motet.records import AcquireLeases, GiveBackLeases, LeasesDenied, LeasesLost, LeasesTaken, Reason, TakeLeases

MILLISECONDS: Final = 1_000
PlanRequest = TakeLeases | GiveBackLeases


def scope_of(request: PlanRequest) -> Scope:
    """Where the order of its leases is."""
    return request.meta.tenant, request.scope


def holder_of(plan_id: str) -> str:
    """A plan as the holder of leases."""
    return f"plan:{plan_id}"


def command_of(request: TakeLeases, now: int) -> AcquireLeases:
    """What a plan asks for, as a command would. One that comes too late to wait is granted at once or not at all."""
    tenant, scope = scope_of(request)
    wait = max(0, request.wait_until - now) / MILLISECONDS
    what = request.resources, request.duration_seconds, wait
    return AcquireLeases(request.plan_id, tenant, scope, holder_of(request.plan_id), *what)


def denied(request: TakeLeases, reasons: tuple[Reason, ...]) -> partial[Any]:
    """What a plan's host hears of a request that is refused; it needs nothing but its meta."""
    message = "; ".join(reason.message for reason in reasons)
    return partial(LeasesDenied, plan_id=request.plan_id, scope=request.scope, code=reasons[0].code, message=message)


def word(step: Step) -> partial[Any] | None:
    """What a plan's host hears of a step, if it is to hear of it; it needs nothing but its meta.

    A wait that is over is none of that: the host keeps its plan's time itself, also while no lease service answers.
    """
    lease = step.lease
    match step:
        case Granted():
            token, until = lease.token, lease.expires_at
            return partial(LeasesTaken, plan_id=lease.plan_id, scope=lease.domain, token=token, expires_at=until)
        case Ended(end="EXPIRED"):
            return partial(LeasesLost, plan_id=lease.plan_id, scope=lease.domain, token=lease.token)
        case _:
            return None
