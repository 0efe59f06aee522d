"""Who a plan is: names that everyone who has the command derives alike, the client before anyone answered."""

from __future__ import annotations

from motet.chassis.canonical import compact, digest
from motet.records import SubmitPlan


def key_digest(tenant: str, domain: str, idempotency_key: str) -> str:
    """An idempotency key within its tenant and domain: 64 hex digits."""
    return digest(tenant, domain, idempotency_key)


def command_digest(command: SubmitPlan) -> str:
    """SHA-256 over what a command asks for; where it came from and how it is traced does not count."""
    calls = [[c.call_id, c.tool, c.contract_version, c.arguments, list(c.after)] for c in command.calls]
    return digest(compact([command.agent, command.isolation, calls]))


def plan_id_of(command: SubmitPlan) -> str:
    """A plan's id, 32 hex digits: derived from key and content, so that a refused reuse of a key has an id of its own."""
    key = key_digest(command.tenant, command.domain, command.idempotency_key)
    return digest(key, command_digest(command))[:32]
