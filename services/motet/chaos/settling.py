"""Liveness: whether a system that was healed comes to rest by itself, and still answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from typing import Final

import psycopg
from psycopg import sql

from motet.chaos.stage import Stage
from motet.chassis.database import hop_schemas
from motet.chassis.errors import MotetError
from motet.chassis.identity import domain_key, partition_of
from motet.chassis.lag import taken_by
from motet.chassis.log_reader import LogReader
from motet.chassis.provision import catalog
from motet.chassis.waiting import NotInTime, wait_until
from motet.client import Call, Client, Mode

SECONDS: Final = 60.0
PROBES: Final[tuple[tuple[Mode, str], ...]] = (
    ("orchestrated", "chaos.deposit"),
    ("hybrid", "chaos.deposit"),
    ("choreographed", "chaos.note"),
)


def settle(stage: Stage, client: Client, tenant: str, seed: str) -> tuple[float, list[str]]:
    """Waits until nothing is behind and nothing is left to publish, and asks for a plan in each mode; the seconds it took, and what failed.

    All within 60 s: what takes longer is said in a sentence.
    """
    began = time.monotonic()
    failed = [*probes(client, tenant, seed)]
    for what, still in (("records are not taken", lagging), ("rows are not published", unpublished)):
        try:
            wait_until(lambda still=still: not still(stage), max(1.0, began + SECONDS - time.monotonic()), what)  # type: ignore[misc]
        except NotInTime:
            failed.append(f"60 s after everything was healed {what}: {still(stage)}")
    return time.monotonic() - began, failed


def probes(client: Client, tenant: str, seed: str) -> Iterator[str]:
    """A plan in each mode and in each partition: a shard of its own answers each, and takes what stands before it."""
    asked = []
    for mode, tool in PROBES:
        for domain in domains(tenant):
            calls, key = [Call(tool, {"account": "probe", "amount": 1})], f"probe/{seed}/{mode}"
            asked.append(
                (mode, domain, client.submit(calls, tenant=tenant, domain=domain, idempotency_key=key, mode=mode))
            )
    ends = time.monotonic() + SECONDS
    for mode, domain, submitted in asked:
        try:
            outcome = submitted.wait(max(0.1, ends - time.monotonic()))
        except MotetError as error:
            yield f"60 s after everything was healed a {mode} plan in domain {domain} was not answered: {error}"
        else:
            if outcome.status != "SUCCEEDED":
                yield f"after everything was healed a {mode} plan in domain {domain} ended {outcome.status}: {outcome.text}"


def domains(tenant: str) -> list[str]:
    """A domain in each partition."""
    partitions, _ = catalog()
    found: dict[int, str] = {}
    for number in count():
        name = f"probe{number}"
        found.setdefault(partition_of(domain_key(tenant, name), partitions), name)
        if len(found) == partitions:
            break
    return list(found.values())


def lagging(stage: Stage) -> str:
    """Who has not taken how many records. What a foreign transaction left is none: Kafka keeps an offset for it, and gives it to nobody."""
    behind = []
    with closing(LogReader(stage.addresses.kafka)) as log:
        for service in stage.services:
            taken = taken_by(stage.addresses.kafka, service)
            ends = {place: one.end for place, one in log.bounds(taken).items()}
            due = {place: (offset, ends[place]) for place, offset in taken.items() if offset < ends[place]}
            left = sum(len(batch) for batch in log.read(due))
            if left:
                behind.append(f"{service} {left}")
    return ", ".join(behind)


def unpublished(stage: Stage) -> str:
    """Whose outbox has rows that its group does not cover yet."""
    out = []
    with psycopg.connect(stage.addresses.postgres, autocommit=True) as connection:
        for schema in hop_schemas(connection):
            row = connection.execute(
                sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, "outbox"))
            ).fetchone()
            if row is not None and row[0]:
                out.append(f"{schema} {row[0]}")
    return ", ".join(out)
