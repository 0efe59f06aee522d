"""What is judged of the whole log, once everything is at rest: the audit, the outboxes, the projections, and what the system holds on to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import psycopg
from psycopg import sql

from motet.audit.ledger_tables import LedgerTables
from motet.audit.reading import audit
from motet.chaos.stage import Stage
from motet.chassis import lanes
from motet.chassis.codec import Codec
from motet.chassis.database import hop_schemas
from motet.chassis.log_reader import LogReader
from motet.chassis.registry import Registry
from motet.projector.rebuild import rebuild
from motet.tools.host import schemas_of

CONNECTIONS: Final = 100
MEMORY_BYTES: Final = 400_000_000
# Findings of an audit that are told whole.
TOLD: Final = 10

# A shard of a service, and where it sends to.
Lane = tuple[str, int, str, int]


def judge(stage: Stage) -> Iterator[str]:
    """Everything that must not be. Raises MotetError or psycopg.Error where it cannot be read: then nobody knows."""
    yield from stage.found
    yield from audited(stage)
    yield from sent(stage)
    yield from projected(stage)
    yield from bounded(stage)


def audited(stage: Stage) -> Iterator[str]:
    """The audit of every topic from its first record; what a fault itself wrote there by another hand it names, and that is right."""
    with closing(LogReader(stage.addresses.kafka)) as log, closing(Registry(stage.addresses.registry)) as registry:
        found = audit(log, Codec(registry), lambda *_: None, ledgers=LedgerTables(stage.addresses.postgres))
    wrong = [one for one in found.findings if one.where not in stage.poisoned]
    for one in wrong[:TOLD]:
        yield f"audit, {one.rule}: {one.where}: {one.said}"
    if len(wrong) > TOLD:
        yield f"audit: {len(wrong) - TOLD} further findings"
    known = {one.where for one in found.findings}
    for place in sorted(stage.poisoned_lanes - known):
        yield f"audit: {place} was written by another hand, and it did not say so"


def sent(stage: Stage) -> Iterator[str]:
    """What a service's rows say that it sent is in the topics up to the last one, and nothing is there that they do not know."""
    there: dict[Lane, tuple[int, bytes]] = {}
    with closing(LogReader(stage.addresses.kafka)) as log:
        bounds = log.bounds(log.places()[1])
        for batch in log.read({place: (one.begin, one.end) for place, one in bounds.items()}):
            for message in batch:
                stamp = lanes.stamp_of(message.headers)
                if stamp is None:
                    continue
                lane = (stamp.service, stamp.shard, message.topic, message.partition)
                if stamp.number > there.get(lane, (0, b""))[0]:
                    digest = lanes.chain(stamp.previous, stamp.number, message.key or b"", message.value or b"")
                    there[lane] = stamp.number, digest
    said = rows_of_lanes(stage)
    for lane in sorted(there.keys() | said.keys()):
        if there.get(lane) != said.get(lane):
            service, shard, topic, partition = lane
            have, want = there.get(lane, (0, b""))[0], said.get(lane, (0, b""))[0]
            yield f"{service}, shard {shard}, sent {want} records to {topic}:{partition} by its rows, and {have} are there, or others"


def rows_of_lanes(stage: Stage) -> dict[Lane, tuple[int, bytes]]:
    """The last number and digest of every lane, as its sender's rows have it."""
    services = {
        schemas_of(name.removeprefix("tools-"))[1] if name.startswith("tools-") else name: name
        for name in stage.services
    }
    out = {}
    with psycopg.connect(stage.addresses.postgres, autocommit=True) as connection:
        for schema in hop_schemas(connection):
            query = sql.SQL("SELECT partition, topic, destination, number, digest FROM {}")
            for shard, topic, destination, number, digest in connection.execute(
                query.format(sql.Identifier(schema, "lane_out"))
            ):
                out[services[schema], shard, topic, destination] = number, bytes(digest)
    return out


def projected(stage: Stage) -> Iterator[str]:
    """P5: projections that are built from the first event are the live ones."""
    for name, one in rebuild(stage.settings, lambda *_: None).tables.items():
        if one.only_live or one.only_rebuilt:
            told = "; ".join(f"only {side}: {row}" for side, row in one.examples)
            yield f"projection {name}: {one.only_live} rows only live, {one.only_rebuilt} only rebuilt: {told}"


def bounded(stage: Stage) -> Iterator[str]:
    """P8: connections, memory and dead letters stay within their bounds."""
    with psycopg.connect(stage.addresses.postgres, autocommit=True) as connection:
        connections = number(connection, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
        yield from buried(connection, stage.poisoned)
    if connections > CONNECTIONS:
        yield f"{connections} connections to PostgreSQL are open, {CONNECTIONS} at most are expected"
    for one in stage.platform.status():
        if one.kind == "service" and one.memory_bytes > MEMORY_BYTES:
            yield f"{one.name} uses {one.memory_bytes / 1e6:.0f} MB, {MEMORY_BYTES / 1e6:.0f} at most are expected"


def buried(connection: psycopg.Connection[Any], poisoned: set[str]) -> Iterator[str]:
    """Only what a fault wrote by another hand is a dead letter."""
    for service, topic, partition, offset, code, reason in connection.execute(
        'SELECT service, topic, partition, "offset", code, reason FROM motet.dead_letters'
    ):
        if f"{topic}:{partition}:{offset}" not in poisoned:
            yield f"{service} buried {topic}:{partition}:{offset}, which was no poison: {code}: {reason}"


def number(connection: psycopg.Connection[Any], query: str) -> int:
    """A query's one number."""
    row = connection.execute(query.encode()).fetchone()
    return 0 if row is None else int(row[0])
