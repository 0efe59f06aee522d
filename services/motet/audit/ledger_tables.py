"""Ledgers of tool services as PostgreSQL has them, read by a login that may SELECT from their tables `answer`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import psycopg
from psycopg import sql

from motet.audit.ledger import DIGEST_BYTES, Kept
from motet.chassis.errors import MotetError

CONNECT_SECONDS: Final = 10
BATCH: Final = 10_000
SUFFIX: Final = "_hop"
# Who publishes says by which name; a schema has its hyphens as underscores.
SCHEMAS: Final = """
SELECT n.nspname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relname = 'answer' AND c.relkind = 'r' AND n.nspname LIKE 'tools\\_%\\_hop' ORDER BY 1
"""
ROWS: Final = "SELECT key, substr(sha256(convert_to(result, 'UTF8')), 1, {}) FROM {} WHERE partition = {}"
NOW: Final = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"


class LedgersUnreadable(MotetError):
    """PostgreSQL does not answer, or the login may not read a ledger. Whoever asked tries again, or grants it."""


class LedgerTables:
    """The ledgers of a database."""

    def __init__(self, url: str) -> None:
        self.url = url

    def rows(self, number: int) -> tuple[Mapping[str, Kept], int]:
        """The ledgers of a partition number by service, and when they were read. Raises LedgersUnreadable."""
        try:
            with psycopg.connect(
                self.url, application_name="motet-audit", connect_timeout=CONNECT_SECONDS
            ) as connection:
                connection.execute("SET TRANSACTION READ ONLY")
                schemas = [schema for (schema,) in connection.execute(SCHEMAS)]
                found = {service_of(schema): read(connection, schema, number) for schema in schemas}
                row = connection.execute(NOW).fetchone()
        except psycopg.Error as error:
            raise LedgersUnreadable(
                f"the ledgers of tool services cannot be read: {' '.join(str(error).split())}; without --ledgers they are left out"
            ) from error
        return found, int(row[0]) if row else 0


def service_of(schema: str) -> str:
    """The service whose rows a schema has, hyphens as underscores."""
    return schema.removesuffix(SUFFIX)


def read(connection: psycopg.Connection[tuple[object, ...]], schema: str, number: int) -> Kept:
    """A ledger, by a cursor of the server's: no more of it is in memory than what is compared."""
    found: dict[str, bytes] = {}
    with connection.cursor(name="ledger") as cursor:
        cursor.itersize = BATCH
        cursor.execute(
            sql.SQL(ROWS).format(sql.Literal(DIGEST_BYTES), sql.Identifier(schema, "answer"), sql.Literal(number))
        )
        for key, digest in cursor:
            found[str(key)] = bytes(digest)  # type: ignore[call-overload]
    return found
