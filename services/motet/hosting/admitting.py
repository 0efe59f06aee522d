"""What a host says of a plan that it takes, and what it takes a request for resources to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from motet.modes import mode_of
from motet.plan import Plan, Reservation
from motet.plan.identity import shape_digest
from motet.plan.leases import names
from motet.records import AdmittedCall, ExpectedVersion, Meta, PlanAdmitted, ReserveResources

# The first version of the rules by which an admission says its shape and its rules.
SAYS_SHAPE: Final = 4


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a plan comes from, as it is told and not decided on: the event that it answers to, the code that admits it."""

    caused_by: str | None = None
    code_version: str = ""


def admitted(plan: Plan, meta: Meta, content: str, origin: Origin) -> PlanAdmitted:
    """The event that says what a plan is."""
    calls = tuple(
        AdmittedCall(
            call.call_id,
            call.tool,
            call.contract_version,
            call.arguments,
            call.arguments_sha256,
            tuple(call.after),
            call.claims,
            call.effect,
            call.approval != "",
            tuple(ExpectedVersion(resource, version) for resource, version in call.expected.items()),
            call.unknown,
            call.leases,
        )
        for call in plan.calls
    )
    return PlanAdmitted(
        *(meta, plan.plan_id, plan.idempotency_key, plan.agent, plan.isolation, content, calls),
        *(plan.policy, plan.deadline, mode_of(plan.plan_id), names(plan.leases)),
        caused_by=origin.caused_by,
        workflow=plan.workflow,
        shape_sha256=shape_digest(plan) if plan.rules >= SAYS_SHAPE else "",
        rules=plan.rules if plan.rules >= SAYS_SHAPE else 0,
        code_version=origin.code_version,
    )


def reservation_of(asked: ReserveResources) -> Reservation:
    """What a request asks for."""
    meta = asked.meta
    return Reservation(
        *(asked.plan_id, meta.tenant, meta.domain, asked.claims, meta.event_id, meta.correlation_id),
        *(meta.traceparent, asked.deadline_at),
    )
