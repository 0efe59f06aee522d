"""Builds the projections again from the first event, compares them with the live ones row by row, and swaps them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final, TypeVar

import psycopg

from motet.chassis.errors import ConfigurationError
from motet.chassis.settings import Settings
from motet.projector import surface
from motet.projector.filling import LOCK as FILLING
from motet.projector.filling import Fillers
from motet.projector.handler import NAME, TOPICS
from motet.projector.source import BATCH
from motet.projector.tables import PROGRESS, TABLES
from motet.projector.writer import BY_NAME

T = TypeVar("T")
FRESH: Final = "motet_rebuild"
OLD: Final = "motet_old"
# Rows of a table that are shown of each side.
EXAMPLES: Final = 3
LOCK: Final = "SELECT pg_try_advisory_lock(hashtext('motet.rebuild'))"


@dataclass(frozen=True, slots=True)
class TableComparison:
    """Rows of a table, and those that only one side has."""

    rows_live: int
    rows_rebuilt: int
    only_live: int
    only_rebuilt: int
    # SHA-256 of the rebuilt rows, whatever their order.
    digest: str
    # A few of those that only one side has, as text, each with its side: what is wrong with a live table is gone once it was swapped.
    examples: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild read, how long it took, and how its tables compare with those that were live."""

    events: int
    seconds: float
    tables: dict[str, TableComparison]

    @property
    def digest(self) -> str:
        """SHA-256 of all rebuilt tables."""
        told = "".join(f"{name} {one.digest}\n" for name, one in sorted(self.tables.items()))
        return hashlib.sha256(told.encode()).hexdigest()

    @property
    def events_per_second(self) -> float:
        """All in all: reading, writing, comparing, swapping."""
        return self.events / self.seconds

    @property
    def equal(self) -> bool:
        """Whether no table had a row too many or too few."""
        return not any(one.only_live or one.only_rebuilt for one in self.tables.values())


def rebuild(settings: Settings, report: Callable[[int, int], None], batch: int = BATCH) -> Rebuilt:
    """Rebuilds, compares and swaps; `report` is told how many records were read, and of how many; `batch` are folded together at most.

    The live tables are written on meanwhile; at the end the projector waits while the last records are read and the schemas change
    places in one transaction. Raises ConfigurationError if another rebuild runs or there is nothing to rebuild.
    """
    began = time.monotonic()
    with (
        connected(settings, "motet-rebuild") as connection,
        connected(settings, "motet-rebuild-beside") as another,
    ):
        check(connection)
        with closing(Fillers(settings, FRESH, batch)) as fillers:
            prepare(connection)
            as_before = surface.is_ours(connection)
            fillers.begin(live_ends(connection))
            fillers.fill(live_ends(connection), report)
            surface.index(connection, FRESH)
            with connection.transaction():
                hold_writers(connection)
                fillers.fill(live_ends(connection, "FOR UPDATE"), report)
                names = [table.name for table in TABLES if has_table(connection, table.name)]
                tables = compare((connection, another), names, as_before=as_before)
                swap(connection)
                if not as_before:
                    # What still runs writes another version's tables: it is refused from here on, as any former owner is.
                    connection.execute(f"UPDATE {NAME}.shard SET epoch = epoch + 1".encode())
            return Rebuilt(fillers.records, time.monotonic() - began, tables)


def connected(settings: Settings, name: str) -> psycopg.Connection[Any]:
    """A connection that compares whole tables."""
    return psycopg.connect(settings.postgres_url, autocommit=True, application_name=name, options="-c work_mem=64MB")


def check(connection: psycopg.Connection[Any]) -> None:
    """One rebuild at a time, of tables that are there."""
    row = connection.execute(LOCK).fetchone()
    if row is None or not row[0]:
        raise ConfigurationError("another rebuild is running on this database; wait for it, or end it")
    try:
        live_ends(connection)
    except psycopg.errors.UndefinedTable as error:
        raise ConfigurationError("the projector has never run on this database: there is nothing to rebuild") from error


def prepare(connection: psycopg.Connection[Any]) -> None:
    """A schema of its own, filled as fast as may be; what a killed rebuild left is dropped, once nobody writes there any more."""
    connection.execute(f"SELECT pg_advisory_lock({FILLING})".encode())
    with connection.transaction():
        connection.execute(f"DROP SCHEMA IF EXISTS {FRESH} CASCADE".encode())
        surface.create(connection, FRESH)
        surface.unindex(connection, FRESH)
    connection.execute(f"SELECT pg_advisory_unlock({FILLING})".encode())


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


def compare(
    connections: Sequence[psycopg.Connection[Any]], names: Sequence[str], *, as_before: bool
) -> dict[str, TableComparison]:
    """Every table, row by row, over as many connections as there are. A live table that this version does not know is not compared."""
    free: SimpleQueue[psycopg.Connection[Any]] = SimpleQueue()
    for one in connections:
        free.put(one)

    def over(ask: Callable[[psycopg.Connection[Any], str], T], name: str) -> T:
        connection = free.get()
        try:
            return ask(connection, name)
        finally:
            free.put(connection)

    with ThreadPoolExecutor(len(connections), thread_name_prefix="comparing") as beside:
        # What takes longest comes first.
        digests = {name: beside.submit(over, summed, name) for name in names}
        # Rows of two definitions have to be compared as text.
        equals = {name: beside.submit(over, equal, name) for name in names if as_before}
        counts = {name: beside.submit(over, counted, name) for name in names}
    out = {}
    for name in names:
        (rows_rebuilt, digest), rows_live = digests[name].result(), counts[name].result()
        same = as_before and rows_live == rows_rebuilt == equals[name].result()
        apart = (0, 0) if same else differing(connections[0], name)
        told = tuple(examples(connections[0], name)) if any(apart) else ()
        out[name] = TableComparison(rows_live, rows_rebuilt, *apart, digest, told)
    return out


def counted(connection: psycopg.Connection[Any], name: str) -> int:
    """How many rows the live table has."""
    row = connection.execute(f"SELECT count(*) FROM {surface.SCHEMA}.{name}".encode()).fetchone()
    return row[0] if row else 0


def equal(connection: psycopg.Connection[Any], name: str) -> int:
    """How many rows the live table and the rebuilt one have in common, byte for byte. Both are of one definition."""
    key = ", ".join(f'"{one}"' for one in BY_NAME[name].key)
    live, fresh = f"{surface.SCHEMA}.{name} AS t", f"{FRESH}.{name} AS x"
    row = connection.execute(f"SELECT count(*) FROM {live} JOIN {fresh} USING ({key}) WHERE t *= x".encode()).fetchone()
    return row[0] if row else 0


def summed(connection: psycopg.Connection[Any], name: str) -> tuple[int, str]:
    """How many rows a rebuilt table has, and the digest of all of them as text. In two steps, since an aggregate holds a gigabyte at most."""
    row = connection.execute(
        "SELECT coalesce(sum(rows), 0)::bigint, coalesce(encode(sha256(string_agg(part, ''::bytea ORDER BY first)), 'hex'), '') FROM ("
        "SELECT get_byte(digest, 0) AS first, count(*) AS rows, sha256(string_agg(digest, ''::bytea ORDER BY digest)) AS part "
        # The offset keeps the planner from sorting whole rows, with their digests made anew for each place where one is named.
        f"FROM (SELECT sha256(convert_to(t::text, 'UTF8')) AS digest FROM {FRESH}.{name} AS t OFFSET 0) AS each GROUP BY 1) AS parts".encode()
    ).fetchone()
    rows, digest = row or (0, "")
    return rows, digest


def differing(connection: psycopg.Connection[Any], name: str) -> tuple[int, int]:
    """How many rows only the live table has, and how many only the rebuilt one."""
    live, fresh = (f"SELECT t::text FROM {schema}.{name} AS t" for schema in (surface.SCHEMA, FRESH))
    row = connection.execute(
        f"SELECT (SELECT count(*) FROM ({live} EXCEPT ALL {fresh}) AS a), "
        f"(SELECT count(*) FROM ({fresh} EXCEPT ALL {live}) AS a)".encode()
    ).fetchone()
    only_live, only_rebuilt = row or (0, 0)
    return only_live, only_rebuilt


def examples(connection: psycopg.Connection[Any], name: str) -> Iterator[tuple[str, str]]:
    """A few rows that only one side has, in an order in which those of one key stand beside each other."""
    live, fresh = (f"SELECT t::text FROM {schema}.{name} AS t" for schema in (surface.SCHEMA, FRESH))
    for side, one, other in (("live", live, fresh), ("rebuilt", fresh, live)):
        query = f"SELECT * FROM ({one} EXCEPT ALL {other}) AS a ORDER BY 1 LIMIT {EXAMPLES}"
        yield from ((side, row) for (row,) in connection.execute(query.encode()))


def swap(connection: psycopg.Connection[Any]) -> None:
    """The rebuilt schema takes the live one's name."""
    if surface.description(connection, surface.SCHEMA) is not None:
        connection.execute(f"ALTER SCHEMA {surface.SCHEMA} RENAME TO {OLD}".encode())
    connection.execute(f"ALTER SCHEMA {FRESH} RENAME TO {surface.SCHEMA}".encode())
    connection.execute(f"DROP SCHEMA IF EXISTS {OLD} CASCADE".encode())
