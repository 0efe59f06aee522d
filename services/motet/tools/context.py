"""What a call knows of itself, for tools that ask: a first parameter annotated `Context`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from motet.chassis.errors import ConfigurationError

if TYPE_CHECKING:
    import psycopg


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One attempt of one call.

    `key` is the same in each attempt of the call and in no other call: send it on, as `Idempotency-Key` for HTTP. `call_index` is
    the call's place in its plan, from 0; `attempt` counts from 1. `transaction` is what the host hands in for `connection`.
    """

    key: str
    tenant: str
    domain: str
    plan_id: str
    call_index: int
    attempt: int
    agent: str
    transaction: psycopg.Connection[Any] | None = field(default=None, repr=False, compare=False)

    @property
    def connection(self) -> psycopg.Connection[Any]:
        """The connection of the transaction that makes this call durable; its search path is the toolset's own schema.

        Do not commit or roll back: what the tool writes becomes visible together with its result, or not at all.
        """
        if self.transaction is None:
            raise ConfigurationError(
                'this call has no database connection: only a tool declared with effect="transactional" gets one '
                "(in a test: Context.for_testing(connection=...))"
            )
        return self.transaction

    @classmethod
    def for_testing(
        cls,
        connection: psycopg.Connection[Any] | None = None,
        *,
        key: str = "0" * 64,
        tenant: str = "test",
        domain: str = "test",
        plan_id: str = "test-plan",
        call_index: int = 0,
        attempt: int = 1,
        agent: str = "test-agent",
    ) -> Context:
        """A context for calling a tool's function in a test; give a connection to a transactional one."""
        return cls(
            key=key,
            tenant=tenant,
            domain=domain,
            plan_id=plan_id,
            call_index=call_index,
            attempt=attempt,
            agent=agent,
            transaction=connection,
        )
