"""The tool host: runs a toolset's calls and reports how they ended.

Consumes `motet.invocations.<toolset>`, produces `motet.results` and `motet.contracts`. Transactional calls run inside the hop's
transaction. Pure and idempotent calls get an intent row first; once that is durable they run in a bounded pool, and their end is
published by a hop of its own. After a crash the open intents run again with the same key.
"""

from __future__ import annotations

import queue
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import psycopg

from motet.chassis import guard
from motet.chassis.errors import ConfigurationError, ContractChanged
from motet.chassis.hop import Hop
from motet.chassis.service import Inert, Input, Opening, Received, Service
from motet.chassis.settings import Settings
from motet.records import CallsFinished, Failure, FinishedCall, Invocation, InvokeCalls
from motet.tools import Context, Contract, EventLoopThread, ToolFailed, Toolset

RESULTS: Final = "motet.results"
CONTRACTS: Final = "motet.contracts"
RESULT_BYTES: Final = 262_144
# A report stays below its topic's limit; what is longer goes out in several.
REPORT_CHARACTERS: Final = 1_500_000
MESSAGE_LENGTH: Final = 2_000
# The transaction is gone or must run again: not the tool's failure, the chassis tries again.
AGAIN: Final = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.AdminShutdown,
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.InterfaceError,
)


@dataclass(frozen=True, slots=True)
class Ended:
    """A call's end on its way from the pool to a hop."""

    source: InvokeCalls
    call: FinishedCall


@dataclass(frozen=True, slots=True)
class Workers:
    """What runs effects outside the transaction: a bounded pool, and the event loop that its threads lend to async tools."""

    pool: ThreadPoolExecutor
    loop: EventLoopThread


def schemas_of(toolset: str) -> tuple[str, str]:
    """The toolset's own schema and the schema of its host's hop."""
    own = f"tools_{toolset.replace('-', '_')}"
    return own, f"{own}_hop"


def service(toolset: Toolset, settings: Settings) -> Service:
    """The service that hosts a toolset. Creates the toolset's own tables."""
    prepare_tables(settings.postgres_url, schemas_of(toolset.name)[0], toolset)
    return declaration(toolset, settings)


def declaration(toolset: Toolset, settings: Settings) -> Service:
    """What the service reads and writes. Touches nothing."""
    own, hop_schema = schemas_of(toolset.name)

    def start(opening: Opening) -> Host:
        return Host(toolset, opening, workers(), settings.open_effects)

    @cache
    def workers() -> Workers:
        """One pool and one loop for all shards of the process."""
        pool = ThreadPoolExecutor(settings.tool_threads, thread_name_prefix=f"tool-{toolset.name}")
        return Workers(pool, EventLoopThread())

    return Service(
        name=f"tools-{toolset.name}",
        inputs=(Input(f"motet.invocations.{toolset.name}"),),
        outputs=(RESULTS, CONTRACTS, "motet.dead-letters"),
        open=start,
        schema=hop_schema,
        migrations=(Path(__file__).parent / "migrations",),
        options=(f"SET search_path TO {hop_schema}, {own}",),
    )


HOP_TABLES: Final = frozenset(
    {"shard", "shard_offset", "outbox", "lane_in", "lane_out", "parked_key", "parked_record", "intent", "published"}
)


def prepare_tables(url: str, schema: str, toolset: Toolset) -> None:
    """Creates the toolset's schema and runs its DDL there. One process at a time."""
    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (schema,))
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}".encode())
        connection.execute(f"SET LOCAL search_path TO {schema}".encode())
        if toolset.schema:
            connection.execute(toolset.schema.encode())
        tables = {
            name
            for (name,) in connection.execute("SELECT tablename::text FROM pg_tables WHERE schemaname = %s", (schema,))
        }
    if tables & HOP_TABLES:
        raise ConfigurationError(
            f"toolset {toolset.name} has tables named {', '.join(sorted(tables & HOP_TABLES))}: "
            f"these names are the host's own ({', '.join(sorted(HOP_TABLES))}); choose others"
        )


class Host(Inert):
    """One shard of a tool service."""

    def __init__(self, toolset: Toolset, opening: Opening, workers: Workers, limit: int) -> None:
        self.toolset = toolset
        self.opening = opening
        self.workers = workers
        self.limit = limit
        self.topic = f"motet.invocations.{toolset.name}"
        self.ended: queue.SimpleQueue[Ended] = queue.SimpleQueue()
        self.starting: list[tuple[InvokeCalls, Invocation]] = []
        self.open_effects = 0
        self.closed = False
        self.unpublished = self.contracts_to_publish()
        self.reopen_intents()

    def contracts_to_publish(self) -> list[Contract]:
        """The contracts that this shard has not published. Raises ContractChanged for other content under a known version."""
        rows = self.opening.connection.execute(
            "SELECT name, version, sha256 FROM published WHERE partition = %s", (self.opening.partition,)
        ).fetchall()
        known = {(name, version): sha256 for name, version, sha256 in rows}
        missing = []
        for tool in self.toolset.tools:
            contract = tool.contract_fields()
            have = known.get((contract.name, contract.version))
            if have is None:
                missing.append(contract)
            elif have != contract.sha256:
                raise ContractChanged(
                    f"tool {contract.name} version {contract.version} was published with digest {have[:16]}… and the code has "
                    f"{contract.sha256[:16]}…: a published version never changes; raise its version"
                )
        return missing

    def reopen_intents(self) -> None:
        """Calls that a former process may have begun: they run again with the same key."""
        rows = self.opening.connection.execute(
            "SELECT index, invocation FROM intent WHERE partition = %s ORDER BY plan_id, index",
            (self.opening.partition,),
        ).fetchall()
        for index, packed in rows:
            source = self.opening.decode(packed)
            self.starting.extend((source, call) for call in source.calls if call.index == index)
        self.committed()

    # -- inside the hop ----------------------------------------------------------------------------------------------------

    def handle(self, batch: Sequence[Received], hop: Hop) -> None:
        """Runs transactional calls, writes intents for the others, publishes what ended."""
        for contract in self.unpublished:
            self.publish_contract(contract, hop)
        self.unpublished = []
        self.publish_ended(hop)
        inside: list[tuple[Received, Invocation]] = []
        outside: list[tuple[Received, Invocation]] = []
        answered: dict[str, list[FinishedCall]] = {}
        for received in batch:
            for call in received.record.calls:
                tool = self.toolset.find(call.tool, call.contract_version)
                if tool is None:
                    have = ", ".join(str(one.version) for one in self.toolset.tools if one.name == call.tool) or "none"
                    message = f"{call.tool} version {call.contract_version} is not served any more; served: {have}"
                    answered.setdefault(received.cause, []).append(failed(call, "NOT_SERVED", message))
                elif tool.effect == "TRANSACTIONAL":
                    inside.append((received, call))
                else:
                    outside.append((received, call))
        for received, finished in self.run_inside(inside):
            answered.setdefault(received.cause, []).append(finished)
        self.write_intents(outside)
        for received in batch:
            calls = answered.get(received.cause)
            if calls:
                self.report(received.record, calls, received.timestamp_ms, hop)

    def run_inside(self, work: list[tuple[Received, Invocation]]) -> list[tuple[Received, FinishedCall]]:
        """Runs calls in the hop's transaction: all under one savepoint, and if one fails, each under its own."""
        if not work:
            return []
        together = guard.attempt(partial(self.run_together, work), AGAIN)
        if isinstance(together, guard.Done):
            return together.value
        return [(received, self.run_alone(received, call)) for received, call in work]

    def run_together(self, work: list[tuple[Received, Invocation]]) -> list[tuple[Received, FinishedCall]]:
        """All calls under one savepoint; any failure undoes all."""
        with self.opening.connection.transaction():
            return [(received, self.run(received.record, call, self.opening.connection)) for received, call in work]

    def run_alone(self, received: Received, call: Invocation) -> FinishedCall:
        """One call under a savepoint of its own."""

        def inside() -> FinishedCall:
            with self.opening.connection.transaction():
                return self.run(received.record, call, self.opening.connection)

        end = guard.attempt(inside, AGAIN)
        if isinstance(end, guard.Done):
            return end.value
        if self.opening.connection.closed:
            # The tool's error is the lost connection: nothing of the hop will be, and it runs again.
            raise end.error
        return failure_of(call, end)

    def run(self, source: InvokeCalls, call: Invocation, connection: psycopg.Connection[Any] | None) -> FinishedCall:
        """Runs one call. Whatever the tool raises goes through."""
        meta = source.meta
        context = Context(
            key=call.key,
            tenant=meta.tenant,
            domain=meta.domain,
            plan_id=source.plan_id,
            call_index=call.index,
            attempt=call.attempt,
            agent=source.agent,
            transaction=connection,
        )
        tool = self.toolset.find(call.tool, call.contract_version)
        if tool is None:
            raise ToolFailed(f"{call.tool} version {call.contract_version} is not served any more", "NOT_SERVED")
        text = tool.run(call.arguments, context, self.workers.loop)
        size = len(text.encode())
        if size > RESULT_BYTES:
            raise ToolFailed(f"a result of {size} bytes; the limit is {RESULT_BYTES}", "RESULT_TOO_LARGE")
        return FinishedCall(call.index, call.key, call.attempt, "SUCCEEDED", text, None)

    def write_intents(self, work: list[tuple[Received, Invocation]]) -> None:
        """One row a call that will run outside the transaction."""
        if not work:
            return
        self.opening.connection.execute(
            "INSERT INTO intent (partition, plan_id, index, key, invocation) "
            "SELECT %s, * FROM unnest(%s::text[], %s::int[], %s::text[], %s::bytea[]) ON CONFLICT DO NOTHING",
            (
                self.opening.partition,
                [received.record.plan_id for received, _ in work],
                [call.index for _, call in work],
                [call.key for _, call in work],
                [received.value for received, _ in work],
            ),
        )
        self.starting.extend((received.record, call) for received, call in work)

    def publish_ended(self, hop: Hop) -> None:
        """Publishes the calls that ended in the pool, grouped by plan, and removes their intents."""
        by_plan: dict[str, list[Ended]] = {}
        while not self.ended.empty():
            ended = self.ended.get()
            by_plan.setdefault(ended.source.plan_id, []).append(ended)
        if not by_plan:
            return
        everything = [ended for group in by_plan.values() for ended in group]
        self.opening.connection.execute(
            "DELETE FROM intent USING unnest(%s::text[], %s::int[]) AS done (plan_id, index) "
            "WHERE partition = %s AND intent.plan_id = done.plan_id AND intent.index = done.index",
            (
                [ended.source.plan_id for ended in everything],
                [ended.call.index for ended in everything],
                self.opening.partition,
            ),
        )
        self.open_effects -= len(everything)
        hop.exogenous = True
        for group in by_plan.values():
            self.report(group[0].source, [ended.call for ended in group], hop.wall_ms(), hop)
        hop.exogenous = False

    def report(self, source: InvokeCalls, calls: list[FinishedCall], wall_ms: int, hop: Hop) -> None:
        """Publishes ends of one plan's calls, in as many records as their size asks for."""
        part: list[FinishedCall] = []
        size = 0
        for call in (*sorted(calls, key=lambda one: one.index), None):
            length = len(call.result or "") * 2 if call is not None else 0
            if part and (call is None or size + length > REPORT_CHARACTERS):
                cause = source.meta
                meta = hop.meta(
                    cause.event_id, wall_ms, cause.tenant, cause.domain, cause.correlation_id, cause.traceparent
                )
                hop.emit(RESULTS, CallsFinished(meta, source.plan_id, tuple(part)))
                log_failures(hop.tools.log, meta.event_id, source.plan_id, part)
                part, size = [], 0
            if call is not None:
                part.append(call)
                size += length

    def publish_contract(self, contract: Contract, hop: Hop) -> None:
        """Publishes one contract to this shard's partition."""
        hop.exogenous = True
        meta = hop.meta("", hop.wall_ms(), "", "", contract.sha256[:32], None)
        key = f"{contract.name}@{contract.version}".encode()
        hop.emit(CONTRACTS, contract.record(meta), key, self.opening.partition)
        hop.connection.execute(
            "INSERT INTO published (partition, name, version, sha256) VALUES (%s, %s, %s, %s)",
            (self.opening.partition, contract.name, contract.version, contract.sha256),
        )
        hop.exogenous = False

    def give_up(self, received: Received, reason: str, hop: Hop) -> bool:
        """Answers every call of an invocation that cannot be handled, so that its plan ends."""
        calls = [failed(call, "HANDLING_FAILED", reason) for call in received.record.calls]
        self.report(received.record, calls, received.timestamp_ms, hop)
        return True

    # -- outside -----------------------------------------------------------------------------------------------------------

    def committed(self) -> None:
        """Intents are durable: their effects may start."""
        starting, self.starting = self.starting, []
        self.open_effects += len(starting)
        for source, call in starting:
            self.workers.pool.submit(self.run_outside, source, call)

    def run_outside(self, source: InvokeCalls, call: Invocation) -> None:
        """On a pool thread: one effect and its end."""
        if self.closed:
            return
        self.opening.reach("effect-started")
        end = guard.attempt(partial(self.run, source, call, None))
        self.opening.reach("effect-done")
        self.ended.put(Ended(source, end.value if isinstance(end, guard.Done) else failure_of(call, end)))

    def ready(self) -> bool:
        """Whether contracts wait to be published or effects ended."""
        return bool(self.unpublished) or not self.ended.empty()

    def holds(self) -> frozenset[str]:
        """Pauses the invocations while too many effects are open."""
        return frozenset({self.topic}) if self.open_effects >= self.limit else frozenset()

    def close(self) -> None:
        """What has not begun does not begin; what runs is run again by the next owner, with its key."""
        self.closed = True


def log_failures(log: Any, event_id: str, plan_id: str, calls: Sequence[FinishedCall]) -> None:
    """One line a failed call, with the ids that lead to it."""
    for call in calls:
        if call.error is not None:
            log.info(
                "call failed", event_id=event_id, plan_id=plan_id, call=call.index, key=call.key, code=call.error.code
            )


def failed(call: Invocation, code: str, message: str) -> FinishedCall:
    """A failed end."""
    readable = message.encode("utf-8", "replace").decode()[:MESSAGE_LENGTH]
    return FinishedCall(call.index, call.key, call.attempt, "FAILED", None, Failure(code, readable))


def failure_of(call: Invocation, end: guard.Raised) -> FinishedCall:
    """The end of a call whose tool raised."""
    if isinstance(end.error, ToolFailed):
        return failed(call, end.error.code, str(end.error))
    return failed(call, "RAISED", end.text)
