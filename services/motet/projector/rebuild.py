"""Builds the projections again from the first event, compares them with the live ones row by row, and swaps them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from motet.chassis.errors import ConfigurationError
from motet.chassis.settings import Settings
from motet.projector import surface
from motet.projector.handler import NAME, TOPICS
from motet.projector.source import Source
from motet.projector.tables import PROGRESS, TABLES
from motet.projector.writer import Writer

FRESH: Final = "motet_rebuild"
OLD: Final = "motet_old"
LOCK: Final = "SELECT pg_try_advisory_lock(hashtext('motet.rebuild'))"


@dataclass(frozen=True, slots=True)
class TableComparison:
    """Rows of a table, and those that only one side has."""

    rows_live: int
    rows_rebuilt: int
    only_live: int
    only_rebuilt: int


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild read, how long it took, and how its tables compare with those that were live."""

    events: int
    seconds: float
    tables: dict[str, TableComparison]

    @property
    def equal(self) -> bool:
        """Whether no table had a row too many or too few."""
        return not any(one.only_live or one.only_rebuilt for one in self.tables.values())


def rebuild(settings: Settings, report: Callable[[int, int], None]) -> Rebuilt:
    """Rebuilds, compares and swaps; `report` is told how many records were read, and of how many.

    The live tables are written on meanwhile; at the end the projector waits while the last records are read and the schemas change
    places in one transaction. Raises ConfigurationError if another rebuild runs or there is nothing to rebuild.
    """
    began = time.monotonic()
    with (
        closing(Source(settings)) as source,
        psycopg.connect(settings.postgres_url, autocommit=True, application_name="motet-rebuild") as connection,
    ):
        prepare(connection)
        writer = Writer(connection, FRESH)
        source.leave_out(live_ends(connection))
        source.fill(connection, writer, live_ends(connection), report)
        with connection.transaction():
            hold_writers(connection)
            ends = live_ends(connection, "FOR UPDATE")
            source.fill(connection, writer, ends, report)
            tables = compare(connection)
            swap(connection)
    return Rebuilt(source.records, time.monotonic() - began, tables)


def prepare(connection: psycopg.Connection[Any]) -> None:
    """One rebuild at a time, in a schema of its own; what a killed one left is dropped."""
    row = connection.execute(LOCK).fetchone()
    if row is None or not row[0]:
        raise ConfigurationError("another rebuild is running on this database; wait for it, or end it")
    try:
        live_ends(connection)
    except psycopg.errors.UndefinedTable as error:
        raise ConfigurationError("the projector has never run on this database: there is nothing to rebuild") from error
    with connection.transaction():
        connection.execute(f"DROP SCHEMA IF EXISTS {FRESH} CASCADE".encode())
        surface.create(connection, FRESH)


def hold_writers(connection: psycopg.Connection[Any]) -> None:
    """Waits for the hops that write, and keeps new ones waiting: each writes `progress` before anything else.

    A hop that waits longer than its lock timeout is rolled back and tried again.
    """
    if has_table(connection, PROGRESS.name):
        connection.execute(f"LOCK TABLE {surface.SCHEMA}.{PROGRESS.name} IN EXCLUSIVE MODE".encode())


def has_table(connection: psycopg.Connection[Any], name: str) -> bool:
    """Whether the live schema, which another version may have made, has a table."""
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (f"{surface.SCHEMA}.{name}",)).fetchone()
    return row is not None and bool(row[0])


def live_ends(connection: psycopg.Connection[Any], lock: str = "") -> dict[tuple[str, int], int]:
    """How far the live tables are, by topic and partition."""
    query = f"SELECT topic, partition, next_offset FROM {NAME}.shard_offset ORDER BY topic, partition {lock}"
    rows = connection.execute(query.encode())
    # What the projector reads beside its topics changes no table.
    return {(topic, partition): offset for topic, partition, offset in rows if topic in TOPICS}


def compare(connection: psycopg.Connection[Any]) -> dict[str, TableComparison]:
    """Every table, row by row as text. A live table that another version made and this one does not know is not compared."""
    out = {}
    for table in TABLES:
        live, fresh = (f"SELECT t::text FROM {schema}.{table.name} AS t" for schema in (surface.SCHEMA, FRESH))
        if not has_table(connection, table.name):
            continue
        row = connection.execute(
            f"SELECT (SELECT count(*) FROM ({live}) AS a), (SELECT count(*) FROM ({fresh}) AS a), "
            f"(SELECT count(*) FROM ({live} EXCEPT ALL {fresh}) AS a), "
            f"(SELECT count(*) FROM ({fresh} EXCEPT ALL {live}) AS a)".encode()
        ).fetchone()
        if row is not None:
            out[table.name] = TableComparison(*row)
    return out


def swap(connection: psycopg.Connection[Any]) -> None:
    """The rebuilt schema takes the live one's name."""
    if surface.description(connection, surface.SCHEMA) is not None:
        connection.execute(f"ALTER SCHEMA {surface.SCHEMA} RENAME TO {OLD}".encode())
    connection.execute(f"ALTER SCHEMA {FRESH} RENAME TO {surface.SCHEMA}".encode())
    connection.execute(f"DROP SCHEMA IF EXISTS {OLD} CASCADE".encode())
