"""Who a plan is: names that everyone who has the command derives alike, the client before anyone answered."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from motet.chassis.canonical import compact, digest
from motet.modes import named
from motet.plan.model import Plan
from motet.records import AcquireLeases, Command, Policy, SubmitPlan

# Where a command came from and how it is traced is no part of what it asks for; its owner and key are digested apart.
NOT_ASKED = ("idempotency_key", "tenant", "domain", "correlation_id", "traceparent", "caused_by", "workflow")

# What a policy says since version 3.
UNKNOWN = ("unknown_resources", "unknown_seconds")


@lru_cache(maxsize=8_192)
def key_digest(tenant: str, domain: str, idempotency_key: str) -> str:
    """An idempotency key within its tenant and domain: 64 hex digits."""
    return digest(tenant, domain, idempotency_key)


def command_digest(command: Command) -> str:
    """SHA-256 over what a command asks for; where it came from and how it is traced does not count."""
    if not isinstance(command, SubmitPlan):
        asked = {name: plain(value) for name, value in command.to_avro().items() if name not in NOT_ASKED}
        return digest(compact([command.FULL_NAME, asked]))
    calls = [[c.call_id, c.tool, c.contract_version, c.arguments, list(c.after)] for c in command.calls]
    asked_of_plan: list[object] = [command.agent, command.isolation, calls]
    # What came with version 2 counts where it is said, so that a plan without it keeps its name.
    approvals = [[c.approval, plain(c.approval_seconds)] for c in command.calls]
    if replace(command.policy, unknown_resources="HOLD", unknown_seconds=None) != Policy() or any(
        approval != [False, None] for approval in approvals
    ):
        policy = {name: plain(value) for name, value in command.policy.to_avro().items() if name not in UNKNOWN}
        asked_of_plan += [policy, approvals]
    # So does what came with version 3.
    if command.mode != "ORCHESTRATED":
        asked_of_plan.append(["mode", command.mode])
    expected = [sorted((one.resource, one.version) for one in c.expected_versions) for c in command.calls]
    unknown = [command.policy.unknown_resources, plain(command.policy.unknown_seconds)]
    if unknown != ["HOLD", None]:
        asked_of_plan.append(["unknown_resources", *unknown])
    leases = [sorted(set(command.leases)), plain(command.lease_seconds), plain(command.lease_wait_seconds)]
    if leases != [[], None, None]:
        asked_of_plan.append(["leases", *leases])
    if any(expected):
        asked_of_plan.append(["expected_versions", expected])
    return digest(compact(asked_of_plan))


def shape_digest(plan: Plan) -> str:
    """SHA-256 over a plan's shape: what all plans of one definition have in common, whatever their arguments, ids, limits and host."""
    policy = plan.policy
    ways = [
        policy.batch,
        policy.quorum,
        policy.on_failure,
        policy.in_doubt,
        policy.quarantine,
        policy.unknown_resources,
    ]
    return digest(compact([plan.isolation, ways, [[call.tool, list(call.after)] for call in plan.calls]]))


def plain(value: object) -> object:
    """A number as everybody writes it: Avro makes a double of the 5 that a client wrote, and both have one name."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def plan_id_of(command: SubmitPlan, content: str | None = None) -> str:
    """A plan's id, 32 characters: derived from key and content, so that a refused reuse of a key has an id of its own.

    `content` is the command's digest, where it is known already.
    """
    key = key_digest(command.tenant, command.domain, command.idempotency_key)
    return named(digest(key, content or command_digest(command)), command.mode)


def plan_lease_id(tenant: str, scope: str, plan_id: str) -> str:
    """The id of a plan's lease in a scope. No command's lease has it: those are digests of two digests."""
    return digest("plan", tenant, scope, plan_id)[:32]


def lease_id_of(command: AcquireLeases) -> str:
    """A lease's id, 32 hex digits, derived as a plan's is."""
    key = key_digest(command.tenant, command.domain, command.idempotency_key)
    return digest(key, command_digest(command))[:32]
