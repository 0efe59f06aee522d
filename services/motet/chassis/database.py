"""Connections to PostgreSQL and the migrations that a service needs before it opens one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

VERSIONS: Final = Path(__file__).parent / "migrations" / "versions"
# A paused owner must not hold its rows for ever, and nobody waits for a lock without end.
OPTIONS: Final = "-c idle_in_transaction_session_timeout=10s -c lock_timeout=5s -c synchronous_commit=on"
# A hop's statements find rows by key. They are planned while tables are empty, or nobody has counted them yet, and such a plan, kept for the
# connection's life, reads all of a table that has grown since.
BY_KEY: Final = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off"


def connect(url: str, schema: str, application: str) -> psycopg.Connection[Any]:
    """A connection whose names resolve in the service's own schema.

    It commits each statement by itself, so that whoever needs more says so with `connection.transaction()`, and a block within
    such a block is a savepoint. Without that a block of a tool could be the outermost one, and commit alone.
    """
    options = f"{OPTIONS} {BY_KEY} -c search_path={schema}"
    connection = psycopg.connect(url, autocommit=True, options=options, application_name=application)
    connection.prepare_threshold = 2
    return connection


def migrate(url: str, schema: str, versions: tuple[Path, ...]) -> None:
    """Brings a service's schema to the newest version: the hop's tables and its own. Several may run at once."""
    places = (VERSIONS, *versions)
    if current(url, schema) == newest(places):
        return
    from motet.chassis import migrating  # noqa: PLC0415  a third of a service's start, and hardly one has anything to migrate

    migrating.upgrade(url, schema, places)


def current(url: str, schema: str) -> set[str]:
    """The versions that a schema has, one of each place; none if it is not there."""
    table = sql.Identifier(schema, "alembic_version")
    with psycopg.connect(url, autocommit=True) as connection:
        there = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (table.as_string(connection),)).fetchone()
        if there != (True,):
            return set()
        rows = connection.execute(sql.SQL("SELECT version_num FROM {}").format(table)).fetchall()
    return {version for (version,) in rows}


def newest(places: Sequence[Path]) -> set[str]:
    """The newest version of each place. A file is named by its version, and each builds upon the one before it."""
    return {max(path.stem for path in place.glob("*_[0-9]*.py")) for place in places}


def create_schema(connection: psycopg.Connection[Any], schema: str) -> None:
    """A schema of a tool's own tables."""
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))


def hop_schemas(connection: psycopg.Connection[Any]) -> list[str]:
    """The schemas in which services have their hop's rows."""
    rows = connection.execute(
        "SELECT table_schema::text FROM information_schema.tables WHERE table_name = 'shard_offset' ORDER BY 1"
    )
    return [schema for (schema,) in rows]
