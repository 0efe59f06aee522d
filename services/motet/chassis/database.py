"""Connections to PostgreSQL and the migrations that a service needs before it opens one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

MIGRATIONS = Path(__file__).parent / "migrations"
# A paused owner must not hold its rows for ever, and nobody waits for a lock without end.
OPTIONS = "-c idle_in_transaction_session_timeout=10s -c lock_timeout=5s -c synchronous_commit=on"


def connect(url: str, schema: str, application: str) -> psycopg.Connection[Any]:
    """A connection whose names resolve in the service's own schema.

    It commits each statement by itself, so that whoever needs more says so with `connection.transaction()`, and a block within
    such a block is a savepoint. Without that a block of a tool could be the outermost one, and commit alone.
    """
    options = f"{OPTIONS} -c search_path={schema}"
    connection = psycopg.connect(url, autocommit=True, options=options, application_name=application)
    connection.prepare_threshold = 2
    return connection


def migrate(url: str, schema: str, versions: tuple[Path, ...]) -> None:
    """Brings a service's schema to the newest version: the hop's tables and its own. Several may run at once."""
    # A second's quarter of imports, which nothing but the start of a service needs.
    import sqlalchemy  # noqa: PLC0415
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", ":".join(str(path) for path in (MIGRATIONS / "versions", *versions)))
    engine = sqlalchemy.create_engine(
        sqlalchemy.make_url(url).set(drivername="postgresql+psycopg"), poolclass=sqlalchemy.NullPool
    )
    with engine.connect() as connection:
        config.attributes.update(connection=connection, schema=schema)
        command.upgrade(config, "heads")
        connection.commit()
    engine.dispose()


def create_schema(connection: psycopg.Connection[Any], schema: str) -> None:
    """A schema of a tool's own tables."""
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
