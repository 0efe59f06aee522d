"""A tool service's rows from its topics: what was answered, and what may have begun and nobody heard the end of.

No effect may run before they are there. A result that is in the log is given again and nothing runs; a call without one may have begun in the
process that is gone, so it gets an intent of another owner's, and ends as its effect class says after a crash: once it was read, where the group
had not committed it yet. A transactional call without one left nothing, because what it wrote went with the database: it runs. A toolset's own
tables, versions of resources and tokens that were seen are in no topic: they are as the database has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from motet.chassis.canonical import sha256_text
from motet.chassis.codec import Codec
from motet.chassis.errors import ConfigurationError, Refused, Undecodable
from motet.chassis.lag import taken_by
from motet.chassis.settings import Settings
from motet.conformance import frontier, recovery
from motet.conformance.rerun import Rerun
from motet.conformance.shard_log import ShardLog
from motet.records import CallsFinished, FinishedCall, Invocation, InvokeCalls, StopCalls, ToolContract
from motet.tools.host import declaration
from motet.tools.intents import NOW
from motet.tools.outside import MILLISECONDS, WAITING_AND_RUNNING
from motet.tools.toolset import Toolset

# No replica has this number: what was left is somebody else's until its deadline.
NOBODY: Final = -1
Attempt = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Sent:
    """A call as a shard was sent it, and when."""

    offset: int
    timestamp_ms: int
    value: bytes
    source: InvokeCalls
    call: Invocation

    @property
    def attempt(self) -> Attempt:
        """Plan, call and attempt."""
        return self.source.plan_id, self.call.index, self.call.attempt


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a shard's rows say: results that are kept, and attempts of which nobody knows the end."""

    shard: int
    published: int
    results: int
    open: int


def recover(settings: Settings, name: str) -> list[Recovered]:
    """Makes the rows of a toolset's host. Raises Refused where the log does not say enough."""
    service = declaration(Toolset(name), settings)
    with recovery.beside(settings, service) as rerun:
        if not any(log.published for log in rerun.logs):
            # A toolset publishes its contracts before anything else.
            raise ConfigurationError(
                f"the log has nothing of a toolset {name!r}: is that its name? `motet tools list` has yours"
            )
        committed = taken_by(settings.kafka_bootstrap, service.name)
        return [recover_shard(rerun, number, committed) for number in range(rerun.history.partitions)]


def recover_shard(rerun: Rerun, number: int, committed: dict[tuple[str, int], int]) -> Recovered:
    """One shard."""
    service, log, codec, connection = rerun.service, rerun.logs[number], rerun.codec, rerun.connection
    offsets = {one.topic: committed.get((one.topic, number), 0) for one in service.inputs}
    topic = service.inputs[0].topic
    contracts: dict[tuple[str, int], ToolContract] = {}
    ends: dict[Attempt, FinishedCall] = {}
    for said in sorted(log.published.values(), key=lambda one: one.place):
        record = codec.decode(said.value)
        if isinstance(record, ToolContract):
            contracts[record.name, record.version] = record
        elif isinstance(record, CallsFinished):
            for end in record.calls:
                attempt = (record.plan_id, end.index, end.attempt)
                # Of one that was given up and succeeded all the same the result is kept.
                if attempt not in ends or (ends[attempt].result is None and end.result is not None):
                    ends[attempt] = end
    sent = list(calls_sent(log, topic, codec))
    answered = [one.offset + 1 for one in sent if one.attempt in ends]
    offsets[topic] = max([offsets[topic], *answered])
    open_calls = {one.attempt: one for one in sent if one.attempt not in ends}
    outside = {}
    for attempt, one in open_calls.items():
        contract = contracts.get((one.call.tool, one.call.contract_version))
        if contract is not None and contract.effect == "TRANSACTIONAL":
            if one.offset < offsets[topic]:
                raise Refused(
                    f"{service.name}, shard {number}: call {one.call.index} of plan {one.source.plan_id} was sent at offset {one.offset} and "
                    "has no result, though later ones have: nobody knows whether its result was lost. Settle the plan by hand, and recover again"
                )
            continue
        outside[attempt] = one, contract
    found = frontier.frontier_of(service, number, log, codec, offsets)
    frontier.write(connection, found, rerun.history.covered_of(service.name, number))
    stopped = {(stop.plan_id, call.index, call.attempt) for stop in stops(log, topic, codec) for call in stop.calls}
    write_open(connection, number, outside, stopped, offsets[topic])
    kept = write_answers(connection, number, sent, ends, contracts)
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO published (partition, name, version, sha256) VALUES (%s, %s, %s, %s)",
            [(number, one.name, one.version, one.sha256) for one in contracts.values()],
        )
    return Recovered(number, found.next_position, kept, len(outside))


def records(log: ShardLog, topic: str, codec: Codec) -> Iterator[tuple[int, int, bytes, Any]]:
    """What a shard was sent, in order: offset, time, bytes, record. What cannot be read is among the dead letters."""
    for (where, offset), message in sorted(log.inputs.items()):
        if where == topic:
            try:
                yield offset, message.timestamp_ms, message.value or b"", codec.decode(message.value)
            except Undecodable:
                continue


def calls_sent(log: ShardLog, topic: str, codec: Codec) -> Iterator[Sent]:
    """Every call that a shard was sent, in order."""
    for offset, at, value, record in records(log, topic, codec):
        if isinstance(record, InvokeCalls):
            for call in record.calls:
                yield Sent(offset, at, value, record, call)


def stops(log: ShardLog, topic: str, codec: Codec) -> Iterator[StopCalls]:
    """Every order to stop."""
    for *_, record in records(log, topic, codec):
        if isinstance(record, StopCalls):
            yield record


def write_open(
    connection: psycopg.Connection[Any],
    number: int,
    open_calls: dict[Attempt, tuple[Sent, ToolContract | None]],
    stopped: set[Attempt],
    next_offset: int,
) -> None:
    """Intents of an owner that is gone, with as long as it may still be running; of what is still to be read they say so."""
    rows = []
    for attempt, (one, contract) in open_calls.items():
        allowed = 0.0 if contract is None else contract.heartbeat_seconds or contract.timeout_seconds
        lease = int(WAITING_AND_RUNNING * allowed * MILLISECONDS)
        identity = number, one.source.plan_id, one.call.index, one.call.key, one.value, one.call.attempt
        rows.append((*identity, NOBODY, 0, lease, attempt in stopped, one.offset >= next_offset))
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO intent (partition, plan_id, index, key, invocation, attempt, owner, token, deadline_at, stopped, unread) "
            f"VALUES (%s, %s, %s, %s, %s, %s, %s, %s, {NOW} + %s, %s, %s) ON CONFLICT (partition, plan_id, index) DO UPDATE SET "
            "invocation = excluded.invocation, attempt = excluded.attempt, deadline_at = excluded.deadline_at, "
            "stopped = excluded.stopped, unread = excluded.unread".encode(),
            rows,
        )


def write_answers(
    connection: psycopg.Connection[Any],
    number: int,
    sent: list[Sent],
    ends: dict[Attempt, FinishedCall],
    contracts: dict[tuple[str, int], ToolContract],
) -> int:
    """Results by key, the first within its window; returns how many."""
    kept: dict[str, tuple[str, str, int]] = {}
    for one in sent:
        end = ends.get(one.attempt)
        contract = contracts.get((one.call.tool, one.call.contract_version))
        if end is None or end.result is None or contract is None or contract.effect == "PURE":
            continue
        had = kept.get(one.call.key)
        if had is None or had[2] <= one.timestamp_ms:
            expires_at = one.timestamp_ms + int(contract.window_seconds * MILLISECONDS)
            kept[one.call.key] = sha256_text(one.call.arguments), end.result, expires_at
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO answer (partition, key, arguments_sha256, result, expires_at) VALUES (%s, %s, %s, %s, %s)",
            [(number, key, *columns) for key, columns in kept.items()],
        )
    return len(kept)
