"""What a call knows of itself, for tools that ask: a first parameter annotated `Context`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from motet.chassis.errors import ConfigurationError
from motet.tools.cost import Cost
from motet.tools.failure import Cancelled, ToolFailed
from motet.tools.running import Running
from motet.tools.versions import InMemory, Versions, Writer

if TYPE_CHECKING:
    import psycopg


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One attempt of one call.

    `key` is the same in each attempt of the call and in no other call: send it on, as `Idempotency-Key` for HTTP. `call_index` is
    the call's place in its plan, from 0; `attempt` counts from 1. `fencing_token` grows with each attempt and each new owner of the
    call: what keeps the highest one that it saw can refuse a former owner that wakes up late. `transaction` is what the host hands in
    for `connection`, `running` what host and tool tell each other. `traceparent` is the command's W3C trace context, if it had one. `leases` has
    the fencing tokens of the leases that the plan took for the call, by name: `{"shared/printer:hall": 9}`; send them on to whoever writes. `again` says
    that a process died while this very attempt may have run: a tool that asks somebody who does not honour keys should not take a failure at its word.
    """

    key: str
    tenant: str
    domain: str
    plan_id: str
    call_index: int
    attempt: int
    agent: str
    fencing_token: int = 0
    traceparent: str | None = None
    transaction: psycopg.Connection[Any] | None = field(default=None, repr=False, compare=False)
    running: Running = field(default_factory=Running, repr=False, compare=False)
    versions: Versions | None = field(default=None, repr=False, compare=False)
    leases: Mapping[str, int] = field(default_factory=dict)
    again: bool = False

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

    def expect(self, resource: str, version: int | None = None) -> int:
        """Writes a resource under a version: counts it up and returns the new one.

        Raises VersionConflict, with both sides, if the version is not the one that is there; without a version, and if the call carries
        none either, it is counted up whatever it is. Every tool that writes the resource must call this, before it writes; a conflict may
        be caught, and what was found may be read and merged.
        """
        if self.running.sealer.hidden(resource) != resource:
            raise ToolFailed(
                "a resource that is written under a version is named by a personal value, and its name stands in tables: name it by an id",
                "PERSONAL_NAME",
            )
        return self._versions().expect(resource, version)

    def version(self, resource: str) -> int:
        """A resource's version, for a later `expect`; 0 if nobody ever wrote it under one."""
        return self._versions().read(resource)

    def _versions(self) -> Versions:
        if self.versions is None:
            raise ConfigurationError(
                'this call has no versions: only a tool declared with effect="transactional" has them'
            )
        return self.versions

    def heartbeat(self, progress: Any = None) -> None:
        """Says that the call is alive and, as JSON of at most 4 KiB, how far it is; people see it in `motet.calls`.

        A tool with `heartbeat_seconds` that says nothing for so long is given up, and another attempt may take over. Raises ValueError
        for progress that no record could carry.
        """
        self.running.beat(progress)

    @property
    def cancelled(self) -> bool:
        """Whether nobody wants the call any more. What the tool returns or raises is recorded all the same."""
        return self.running.stopped is not None

    def check(self) -> None:
        """Raises Cancelled if nobody wants the call any more. Only for places where the call has had no effect yet."""
        reason = self.running.stopped
        if reason is not None:
            raise Cancelled(f"told to stop before it did anything: {reason}")

    @property
    def seconds_left(self) -> float | None:
        """How much of the attempt's time is left, 0 beyond it; None if it has no limit."""
        return self.running.seconds_left()

    def spend(self, cost: Cost | None = None, tokens: int | None = None) -> None:
        """Says what the attempt took, added to what it said before; `cost` in the tenant's currency, as number or as text ("0.002").

        What is not said counts as what the contract reserved.
        """
        self.running.spend(cost, tokens)

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
        fencing_token: int = 1,
        running: Running | None = None,
        versions: InMemory | None = None,
        leases: Mapping[str, int] | None = None,
    ) -> Context:
        """A context for calling a tool's function in a test; give a connection to a transactional one.

        Versions are kept in memory; with an `InMemory` of its own a test lets several calls share them. With a `Running` of its own a test sees what the tool says (`Running(heard=said.append)`) and tells it to stop (`running.stop()`).
        """
        return cls(
            key=key,
            tenant=tenant,
            domain=domain,
            plan_id=plan_id,
            call_index=call_index,
            attempt=attempt,
            agent=agent,
            fencing_token=fencing_token,
            transaction=connection,
            running=Running() if running is None else running,
            versions=Versions(
                InMemory() if versions is None else versions, Writer(tenant, plan_id, call_index, key, 0)
            ),
            leases=dict(leases or {}),
        )
