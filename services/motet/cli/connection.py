"""Where a command finds the servers: MOTET_* variables, else the platform that runs under `.motet`."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final

import psycopg

from motet.chassis import settings as configuration
from motet.chassis.errors import ConfigurationError
from motet.chassis.settings import Settings
from motet.platform.finding import found_addresses, home

READER: Final = "motet_reader"
# Which tables the commands of this process look at: the live ones, unless `motet at` says otherwise.
SURFACE: Final = ContextVar("SURFACE", default="motet")


def settings() -> Settings:
    """The settings of this command. Raises ConfigurationError that says how to get servers."""
    found = found_addresses()
    try:
        return configuration.load(**found)
    except ConfigurationError as error:
        if found or "Field required" not in str(error):
            raise
        raise ConfigurationError(
            f"no servers: nothing runs under {home()} (`motet up` starts it there), and MOTET_KAFKA_BOOTSTRAP, "
            "MOTET_POSTGRES_URL and MOTET_SCHEMA_REGISTRY_URL are not all set"
        ) from error


def reader(tenant: str | None = None) -> psycopg.Connection[Any]:
    """A read-only connection to the SQL surface, of one tenant or of all."""
    url = settings().postgres_url
    try:
        connection = psycopg.connect(url, autocommit=True, application_name="motet-cli", connect_timeout=10)
    except psycopg.OperationalError as error:
        raise ConfigurationError(f"PostgreSQL does not answer: {' '.join(str(error).split())}") from error
    try:
        connection.execute("SET default_transaction_read_only = on")
        connection.execute(f"SET search_path = {SURFACE.get()}".encode())
        if tenant is None:
            connection.execute(f"SET ROLE {READER}".encode())
        else:
            connection.execute("SELECT set_config('motet.tenant', %s, false)", (tenant,))
            connection.execute("SET ROLE motet_tenant")
    except psycopg.Error as error:
        connection.close()
        raise ConfigurationError("there are no projections yet: the projector has not run on this database") from error
    return connection
