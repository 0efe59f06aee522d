"""The tool host: runs a toolset's calls and reports how they ended.

Consumes `motet.invocations.<toolset>`, produces `motet.results`, `motet.results.agents` and `motet.contracts`. Transactional calls run inside the
hop's transaction (`inside.py`). All others get an intent row first; once that is durable they run in a bounded pool (`outside.py`), and their end is published
by a hop of its own. What was open when a process died is, by effect class, run again with its key, asked about, or in doubt.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import psycopg

from motet.chassis import code_version
from motet.chassis.errors import ConfigurationError, ContractChanged
from motet.chassis.hop import Hop
from motet.chassis.repairs import REPAIRS
from motet.chassis.service import Inert, Input, Opening, Received, Service
from motet.chassis.settings import Settings
from motet.chassis.subject_keys import SubjectKeys
from motet.modes import RESULTS, results_of
from motet.records import CallsFinished, CallsReported, FinishedCall, Invocation, InvokeCalls, Progress, StopCalls
from motet.tools import Contract, Toolset, held, intents, published
from motet.tools.answers import MILLISECONDS, Answer, Answers
from motet.tools.ending import not_run, not_wanted, succeeded
from motet.tools.inside import Inside
from motet.tools.log_time import LogTime
from motet.tools.outside import Outside, never_begun
from motet.tools.workers import Workers

CONTRACTS: Final = "motet.contracts"
# A report stays below its topic's limit; what is longer goes out in several.
REPORT_CHARACTERS: Final = 1_500_000


def schemas_of(toolset: str) -> tuple[str, str]:
    """The toolset's own schema and the schema of its host's hop."""
    own = f"tools_{toolset.replace('-', '_')}"
    return own, f"{own}_hop"


def service(toolset: Toolset, settings: Settings) -> Service:
    """The service that hosts a toolset. Creates the toolset's own tables.

    Raises ContractChanged for a contract that cannot take the place of one that is published.
    """
    published.check(toolset, settings)
    prepare_tables(settings.postgres_url, schemas_of(toolset.name)[0], toolset)
    return declaration(toolset, settings)


def declaration(toolset: Toolset, settings: Settings) -> Service:
    """What the service reads and writes. Touches nothing."""
    own, hop_schema = schemas_of(toolset.name)

    former: dict[int, Outside] = {}
    keys = SubjectKeys(settings.keys_url)

    def start(opening: Opening) -> Host:
        left = intents.left(opening)
        outside = Outside(toolset, opening, workers(), keys, left, former.get(opening.partition))
        former[opening.partition] = outside
        return Host(toolset, opening, Inside(toolset, opening, keys), outside, settings.open_effects)

    @cache
    def workers() -> Workers:
        """One pool and one loop for all shards of the process."""
        return Workers(settings.tool_threads, f"tool-{toolset.name}")

    return Service(
        name=f"tools-{toolset.name}",
        inputs=(Input(f"motet.invocations.{toolset.name}"), Input(REPAIRS, rank=1)),
        outputs=(*RESULTS.values(), CONTRACTS, "motet.merges", "motet.dead-letters"),
        open=start,
        schema=hop_schema,
        migrations=(Path(__file__).parent / "migrations",),
        journal=True,
        code=f"{toolset.name}+{code_version.digest(toolset.sources())}",
        # A tool's own statements may join as PostgreSQL sees fit.
        options=(f"SET search_path TO {hop_schema}, {own}", "SET enable_hashjoin = on", "SET enable_mergejoin = on"),
    )


HOP_TABLES: Final = frozenset(
    {
        "shard",
        "shard_offset",
        "outbox",
        "lane_in",
        "lane_out",
        "parked_key",
        "parked_record",
        "intent",
        "answer",
        "published",
        "dead_letter",
        "resource_version",
        "lease_fence",
        "leader",
    }
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
        # Within the transaction: what is refused leaves no table behind.
        if tables & HOP_TABLES:
            raise ConfigurationError(
                f"toolset {toolset.name} has tables named {', '.join(sorted(tables & HOP_TABLES))}: "
                f"these names are the host's own ({', '.join(sorted(HOP_TABLES))}); choose others"
            )


class Host(Inert):
    """One shard of a tool service."""

    def __init__(self, toolset: Toolset, opening: Opening, inside: Inside, outside: Outside, limit: int) -> None:
        self.toolset = toolset
        self.opening = opening
        self.limit = limit
        self.topic = f"motet.invocations.{toolset.name}"
        self.answers = Answers(opening.connection, opening.partition)
        self.inside = inside
        self.outside = outside
        self.log_time = LogTime()
        self.unpublished = self.contracts_to_publish()

    @property
    def open_effects(self) -> int:
        """Effects outside the transaction whose end will need a turn."""
        return self.outside.open_effects

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

    # -- inside the hop ----------------------------------------------------------------------------------------------------

    def handle(self, batch: Sequence[Received], hop: Hop) -> None:
        """Runs transactional calls, writes intents for the others, publishes what ended."""
        for contract in self.unpublished:
            self.publish_contract(contract, hop)
        self.unpublished = []
        self.publish_ended(hop)
        for received in batch:
            self.log_time.heard(received)
        stopped, parts = stopped_in(batch), apart([one for one in batch if isinstance(one.record, InvokeCalls)])
        # Once even without any: what a former owner left gets its turn there.
        for part in parts or [[]]:
            self.invoke(part, stopped, hop)
        for received in batch:
            if isinstance(received.record, StopCalls):
                self.outside.stop(received.record)
            self.answers.expire(received.timestamp_ms)

    def invoke(self, batch: Sequence[Received], stopped: set[tuple[str, int]], hop: Hop) -> None:
        """Begins calls, no key twice: each is answered at once, run here, or given an intent."""
        work = [(received, call) for received in batch for call in received.record.calls]
        known = self.answers.find([(call, received.timestamp_ms) for received, call in work])
        under_way = self.outside.under_way()
        inside: list[tuple[Received, Invocation]] = []
        answered: dict[str, list[FinishedCall]] = {}
        for received, call in work:
            same = under_way.get(call.key)
            if same is not None and call.attempt <= same.attempt and call.arguments == same.arguments:
                # It may have begun already, and its end will be told once.
                self.outside.read(call)
                continue
            end = self.at_once(received, call, known.get(call.key), same, stopped)
            tool = self.toolset.find(call.tool, call.contract_version)
            if end is not None or tool is None:
                answered.setdefault(received.cause, []).append(end or self.not_served(call))
            elif tool.effect == "TRANSACTIONAL":
                inside.append((received, call))
            elif (end := held.stale(self.opening.connection, tool.leases, call, received.record.meta)) is not None:
                # Its attempts have one token, and pass or fail alike.
                answered.setdefault(received.cause, []).append(end)
            else:
                self.outside.intend(received, call, tool)
        ran = self.inside.run(inside)
        for received, end in ran:
            answered.setdefault(received.cause, []).append(end)
        self.keep([(call, end, received.timestamp_ms) for (received, call), (_, end) in zip(inside, ran, strict=True)])
        self.outside.write_intents()
        for received in batch:
            calls = answered.get(received.cause)
            if calls:
                self.report(received.record, calls, received.timestamp_ms, hop)

    def at_once(
        self,
        received: Received,
        call: Invocation,
        answer: Answer | None,
        same: Invocation | None,
        stopped: set[tuple[str, int]],
    ) -> FinishedCall | None:
        """The end of a call that is not run: its effect has happened, or nobody wants it any more. `same` has its key and runs."""
        if answer is not None:
            if answer.fits(call):
                return succeeded(call, answer.result)
            return not_run(call, "KEY_REUSED", "the key was used with other arguments, and its effect has happened")
        if same is not None and same.arguments != call.arguments:
            return not_run(call, "KEY_REUSED", "the key was used with other arguments, and that call is under way")
        if (call.key, call.attempt) in stopped:
            return never_begun(call)
        if self.log_time.too_late(received, call):
            # No time in it: the history says the same whenever it happened.
            return not_wanted(call, "TOO_LATE", "its time was over before it began")
        return None

    def not_served(self, call: Invocation) -> FinishedCall:
        """The end of a call whose tool is gone."""
        have = ", ".join(str(one.version) for one in self.toolset.tools if one.name == call.tool) or "none"
        message = f"{call.tool} version {call.contract_version} is not served any more; served: {have}"
        return not_run(call, "NOT_SERVED", message)

    def keep(self, ended: Sequence[tuple[Invocation, FinishedCall, int]], *, late: bool = False) -> None:
        """Keeps the results of what happened, for the tool's window."""
        rows = []
        for call, end, at in ended:
            tool = self.toolset.find(call.tool, call.contract_version)
            if tool is not None and end.result is not None:
                rows.append((call, end.result, at + int(tool.window_seconds * MILLISECONDS)))
        self.answers.keep(rows, late=late)

    def publish_ended(self, hop: Hop) -> None:
        """Publishes the attempts that ended outside, grouped by plan, and what running ones say."""
        ended, reports = self.outside.take_ended(), self.outside.take_reports()
        hop.exogenous = True
        by_plan: dict[str, list[tuple[InvokeCalls, FinishedCall]]] = {}
        for work, end in ended:
            by_plan.setdefault(work.source.plan_id, []).append((work.source, end))
        for late in (False, True):
            self.keep(
                [
                    (work.call, end, work.received_at)
                    for work, end in ended
                    if work.tool.effect != "PURE" and (end is not work.end) == late
                ],
                late=late,
            )
        for group in by_plan.values():
            self.report(group[0][0], [end for _, end in group], hop.wall_ms(), hop)
        for work in reports:
            cause = work.source.meta
            meta = hop.meta(
                *(cause.event_id, hop.wall_ms(), cause.tenant, cause.domain, cause.correlation_id, cause.traceparent)
            )
            said = Progress(work.call.index, work.call.attempt, work.progress or "null")
            hop.emit(
                results_of(work.source.plan_id),
                CallsReported(meta, work.source.plan_id, (said,), cause.causation_id),
            )
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
                hop.emit(
                    results_of(source.plan_id),
                    CallsFinished(meta, source.plan_id, tuple(part), cause.causation_id, hop.code),
                )
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
        if not isinstance(received.record, InvokeCalls):
            return False
        calls = [not_run(call, "HANDLING_FAILED", reason) for call in received.record.calls]
        self.report(received.record, calls, received.timestamp_ms, hop)
        return True

    # -- outside -----------------------------------------------------------------------------------------------------------

    def committed(self) -> None:
        """Intents are durable: their effects may start."""
        self.outside.begin()

    def ready(self) -> bool:
        """Whether contracts wait to be published, or something outside needs a turn."""
        return bool(self.unpublished) or self.outside.ready()

    def holds(self) -> frozenset[str]:
        """Pauses the invocations while too many effects are open, or too many hang."""
        return frozenset({self.topic}) if self.outside.full(self.limit) else frozenset()

    def close(self) -> None:
        """What has not begun does not begin; what runs is the next owner's to find out about."""
        self.outside.close()


def apart(batch: Sequence[Received]) -> list[list[Received]]:
    """Invocations in parts, none of which has a key twice: what the first call of a key comes to answers the second one."""
    parts: list[list[Received]] = []
    keys: set[str] = set()
    for received in batch:
        new = {call.key for call in received.record.calls}
        if not parts or new & keys:
            parts.append([])
            keys = set()
        parts[-1].append(received)
        keys |= new
    return parts


def stopped_in(batch: Sequence[Received]) -> set[tuple[str, int]]:
    """The attempts, by key and number, that a batch stops: those that come before in it do not begin either."""
    return {(call.key, call.attempt) for one in batch if isinstance(one.record, StopCalls) for call in one.record.calls}


def log_failures(log: Any, event_id: str, plan_id: str, calls: Sequence[FinishedCall]) -> None:
    """One line a failed call, with the ids that lead to it."""
    for call in calls:
        if call.error is not None:
            log.info(
                "call failed", event_id=event_id, plan_id=plan_id, call=call.index, key=call.key, code=call.error.code
            )
