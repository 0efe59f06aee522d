"""The leases that a plan needs, pure: all of them are known at admission. They are for what is outside of the plan's domain.

They are those of the calls, those of the calls that undo them, and those that the plan names itself. A lease is written scope/resource, as
`shared/printer:hall`: the scope is written out and has no slash, the resource may be a template.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from motet.plan.contracts import Contract, UnknownResource
from motet.plan.limits import Limits
from motet.plan.model import Call, Leased
from motet.plan.tokens import scope_and_resource, written
from motet.plan.undo import given_before
from motet.plan.waits import MILLISECONDS
from motet.records import SubmitPlan

# For a plan that names leases itself and does not say for how long; the contract's own default is the same.
USUAL_SECONDS: Final = 300.0
BEFORE: Final = "a plan takes its leases before anything of it runs; make this call a plan of its own"


class Needs:
    """The leases of a plan as admission finds them."""

    def __init__(self, command: SubmitPlan, limits: Limits) -> None:
        self.command, self.limits = command, limits
        self.own = tuple(sorted(set(command.leases)))
        self.found: set[str] = set(self.own)
        self.seconds = USUAL_SECONDS if self.own else 0.0
        self.later: list[tuple[str, str]] = []

    def call(
        self, call_id: str, contract: Contract, undoing: Contract | None, arguments: dict[str, Any]
    ) -> tuple[str, ...]:
        """What a call runs under; what undoes it is noted as well. What is not known is a reason."""
        mine: tuple[str, ...] = ()
        if not (contract.lease_templates or self.own or (undoing is not None and undoing.lease_templates)):
            return mine
        try:
            mine = self.of(contract, arguments)
            if undoing is not None and undoing.lease_templates and contract.record.effect != "PURE":
                self.of(undoing, given_before(arguments, contract))
        except UnknownResource as error:
            self.later.append((call_id, str(error)))
        return tuple(sorted({*mine, *self.own}))

    def of(self, contract: Contract, arguments: dict[str, Any] | None) -> tuple[str, ...]:
        """The leases of one call, which are noted. Raises UnknownResource, also if its arguments cannot be made."""
        if arguments is None:
            raise UnknownResource(f"the arguments of {contract.record.name}, which undoes it, cannot be made")
        leases = contract.leases(arguments, self.command.tenant, self.command.domain)
        if leases:
            self.found.update(leases)
            self.seconds = max(self.seconds, contract.record.lease_seconds)
        return leases

    @property
    def held_seconds(self) -> float:
        """How long the plan may have all its leases."""
        asked = self.command.lease_seconds
        return min(self.seconds, self.limits.lease_seconds) if asked is None else asked

    @property
    def wait_seconds(self) -> float:
        """How long it waits for them."""
        asked = self.command.lease_wait_seconds
        return min(self.limits.plan_lease_wait_seconds, self.limits.lease_wait_seconds) if asked is None else asked

    @property
    def wait_ms(self) -> int:
        """The same in milliseconds; 0 for a plan without leases."""
        return int(self.wait_seconds * MILLISECONDS) if self.found else 0

    def faults(self) -> Iterator[str]:
        """What is wrong with them, as the lease service would say it."""
        if not self.found and (self.command.lease_seconds, self.command.lease_wait_seconds) == (None, None):
            return
        for lease in sorted(self.found):
            yield from name_faults(lease, self.limits)
        yield from self.time_faults()
        grouped = self.grouped()
        if len(grouped) > self.limits.lease_scopes:
            yield f"the plan leases in {len(grouped)} scopes; the limit is {self.limits.lease_scopes}"
        most = self.limits.leases_per_scope
        for scope, resources in grouped.items():
            if len(resources) > most:
                yield f"the plan leases {len(resources)} resources of scope {scope[:50]!r}; the limit is {most}"

    def reasons(self, calls: Sequence[Call]) -> Iterator[tuple[str, str, str | None]]:
        """Why the plan is none, as to its leases: code, message and call."""
        for message in self.faults():
            yield "BAD_LEASE", message, None
        for call_id, why in self.later:
            yield "LEASE_NOT_KNOWN", f"{why}: {BEFORE}", call_id
        for call in calls if self.found else ():
            if call.approval and call.refers:
                why = f"{call.tool} waits for a person once its arguments are known"
                yield "LEASE_NOT_KNOWN", f"{why}: {BEFORE}", call.call_id

    def time_faults(self) -> Iterator[str]:
        """What is wrong with how long they are held and waited for. Written so that NaN is refused."""
        asked = (
            ("lease_seconds", self.command.lease_seconds, self.limits.lease_seconds),
            ("lease_wait_seconds", self.command.lease_wait_seconds, self.limits.lease_wait_seconds),
        )
        for name, seconds, most in asked:
            if seconds is not None and not 0 < seconds <= most:
                yield f"{name} is {seconds:g}; it is above 0 and at most {most:g}"
        together, most = self.held_seconds + self.wait_seconds, self.limits.lease_seconds
        if len(self.grouped()) > 1 and not together <= most:
            yield (
                "the leases of the first scope are held while the plan waits for those of the others, "
                f"for lease_wait_seconds and lease_seconds together, {together:g}; the limit is {most:g}: ask for less"
            )

    def grouped(self) -> dict[str, list[str]]:
        """Resources by scope, both in canonical order: sorted."""
        grouped: dict[str, list[str]] = {}
        for scope, resource in sorted(map(scope_and_resource, self.found)):
            grouped.setdefault(scope, []).append(resource)
        return grouped

    def leased(self) -> list[Leased]:
        """What the plan asks for, in the order in which it asks."""
        duration = int(self.held_seconds * MILLISECONDS)
        return [Leased(scope, tuple(resources), duration) for scope, resources in self.grouped().items()]


def name_faults(lease: str, limits: Limits) -> Iterator[str]:
    """What is wrong with a lease's name."""
    for what, name, most in zip(
        ("scope, before the slash,", "resource, behind the slash,"),
        scope_and_resource(lease),
        (limits.identifier_length, limits.resource_length),
        strict=True,
    ):
        if not 0 < len(name) <= most or not name.isprintable():
            yield f"lease {lease[:80]!r} is no scope/resource: the {what} has 1 to {most} printable characters"


def names(leased: list[Leased]) -> tuple[str, ...]:
    """Leases as people write them."""
    return tuple(written(one.scope, resource) for one in leased for resource in one.resources)
