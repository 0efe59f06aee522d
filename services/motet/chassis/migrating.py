"""Alembic, which `database.migrate` loads only where there is something to migrate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import sqlalchemy
from alembic import command
from alembic.config import Config

ENVIRONMENT: Final = Path(__file__).parent / "migrations"


def upgrade(url: str, schema: str, places: Sequence[Path]) -> None:
    """Brings a schema to the newest version of each place."""
    config = Config()
    config.set_main_option("script_location", str(ENVIRONMENT))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", ":".join(map(str, places)))
    engine = sqlalchemy.create_engine(
        sqlalchemy.make_url(url).set(drivername="postgresql+psycopg"), poolclass=sqlalchemy.NullPool
    )
    with engine.connect() as connection:
        config.attributes.update(connection=connection, schema=schema)
        command.upgrade(config, "heads")
        connection.commit()
    engine.dispose()
