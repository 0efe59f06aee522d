"""A service's rows from its topics alone, after its database was lost or is older than the log.

What decides (the coordinator, the agents' service, the lease service) takes everything once more, in a schema beside its own, and must publish
again what it published: then the schema takes the place of the lost one. What stood there is kept beside it. The service starts as after any
crash: it publishes again what its group has not covered, and receivers drop what they have.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg

from motet.chassis.errors import Refused
from motet.chassis.lag import published_by
from motet.chassis.registry import Registry
from motet.chassis.service import Service
from motet.chassis.settings import Settings
from motet.conformance import reading
from motet.conformance.history import History
from motet.conformance.rerun import Compared, Rerun, ShardAgain, drop_schema

# Nobody knows how many owners a lost shard had; an owner's number is part of fencing tokens and must grow. Seconds do, and faster than owners.
EPOCH: Final = "extract(epoch FROM clock_timestamp())::bigint"


def recover(settings: Settings, service: Service) -> list[Compared]:
    """Makes a deciding service's rows. Raises Refused if today's code decides otherwise, or if the service still runs."""
    with beside(settings, service) as rerun:
        compared = [shard_from_log(rerun, number) for number in range(rerun.history.partitions)]
        keep_uncovered(rerun.connection, service.name, rerun.history)
        return compared


@contextmanager
def beside(settings: Settings, service: Service) -> Iterator[Rerun]:
    """A schema beside a service's own, which takes its place once the block has filled it."""
    history = reading.read(settings, [service.name], service)
    fresh = f"{service.schema}_recovered"
    drop_schema(settings, fresh)
    registry = Registry(settings.schema_registry_url)
    rerun = Rerun(settings, service, history, fresh, registry)
    try:
        # Taking its place is synchronous, and makes durable what came before it.
        rerun.connection.execute("SET synchronous_commit = off")
        yield rerun
        take_place(settings, service, fresh, history)
    finally:
        rerun.close()
        registry.close()
        drop_schema(settings, fresh)


def shard_from_log(rerun: Rerun, number: int) -> Compared:
    """One shard up to everything that it published."""
    again = ShardAgain(rerun, number, rerun.logs[number])
    compared = again.compare()
    if compared.later and compared.difference is None:
        compared = again.go_on()
    if compared.difference is not None or compared.later:
        told = compared.difference or f"{compared.later} records were published behind the last batch that is known"
        raise Refused(
            f"{rerun.service.name}, shard {number}, cannot be recovered by this code: {told}. Nothing was changed. Use the version that "
            "decided it, with the settings of then; `motet replay` shows both sides"
        )
    return compared


def keep_uncovered(connection: psycopg.Connection[Any], service: str, history: History) -> None:
    """Leaves in the outbox what the group has not covered, and gives the shards to nobody who had them."""
    for number in range(history.partitions):
        covered = history.covered_of(service, number)
        connection.execute("DELETE FROM outbox WHERE partition = %s AND position < %s", (number, covered))
    connection.execute(f"UPDATE shard SET epoch = {EPOCH}, starts = 0".encode())


def take_place(settings: Settings, service: Service, fresh: str, history: History) -> None:
    """The recovered schema takes the name of the lost one, whose rest is kept beside it."""
    schema = service.schema
    if published_by(settings.kafka_bootstrap, [service.name]) != history.covered:
        raise Refused(f"{service.name} went on publishing meanwhile: stop it, then recover it")
    with psycopg.connect(settings.postgres_url) as connection:
        row = connection.execute("SELECT to_regnamespace(%s) IS NOT NULL", (schema,)).fetchone()
        if row is not None and row[0]:
            connection.execute(f'DROP SCHEMA IF EXISTS "{schema}_before" CASCADE'.encode())
            connection.execute(f'ALTER SCHEMA "{schema}" RENAME TO "{schema}_before"'.encode())
        connection.execute(f'ALTER SCHEMA "{fresh}" RENAME TO "{schema}"'.encode())
