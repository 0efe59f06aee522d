"""Ledgers of tool services as PostgreSQL has them, read by a login that may SELECT from their tables `answer`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

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
OUTBOX: Final = "SELECT payload FROM {} WHERE partition = {} AND type = 'motet.results.CallsFinished'"
NOW: Final = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"


class LedgersUnreadable(MotetError):
    """PostgreSQL does not answer, or the login may not read a ledger. Whoever asked tries again, or grants it."""


class LedgerTables:
    """The ledgers of a database."""

    def __init__(self, url: str) -> None:
        self.url = url

    def rows(self, number: int) -> tuple[Mapping[str, Kept], int]:
        """The ledgers of a partition number by service, and when they were read. Raises LedgersUnreadable."""
        with self.reading() as connection:
            found = {service_of(schema): read(connection, schema, number) for schema in schemas_of(connection)}
            row = connection.execute(NOW).fetchone()
        return found, int(row[0]) if row else 0

    def outboxes(self, number: int) -> Iterator[bytes]:
        """Reports that are in the outboxes of a partition number. Raises LedgersUnreadable."""
        with self.reading() as connection:
            for schema in schemas_of(connection):
                query = sql.SQL(OUTBOX).format(sql.Identifier(schema, "outbox"), sql.Literal(number))
                for (payload,) in connection.execute(query):
                    yield bytes(payload)

    @contextmanager
    def reading(self) -> Iterator[psycopg.Connection[Any]]:
        """A transaction that only reads. Raises LedgersUnreadable."""
        try:
            with psycopg.connect(
                self.url, application_name="motet-audit", connect_timeout=CONNECT_SECONDS
            ) as connection:
                connection.execute("SET TRANSACTION READ ONLY")
                yield connection
        except psycopg.Error as error:
            raise LedgersUnreadable(
                f"the ledgers of tool services cannot be read: {' '.join(str(error).split())}; without --ledgers they are left out"
            ) from error


def schemas_of(connection: psycopg.Connection[Any]) -> list[str]:
    """The schemas of tool services, whether or not this login may read them."""
    return [schema for (schema,) in connection.execute(SCHEMAS)]


def service_of(schema: str) -> str:
    """The service whose rows a schema has, hyphens as underscores."""
    return schema.removesuffix(SUFFIX)


def read(connection: psycopg.Connection[Any], schema: str, number: int) -> Kept:
    """A ledger, by a cursor of the server's: no more of it is in memory than what is compared."""
    found: dict[str, bytes] = {}
    with connection.cursor(name="ledger") as cursor:
        cursor.itersize = BATCH
        cursor.execute(
            sql.SQL(ROWS).format(sql.Literal(DIGEST_BYTES), sql.Identifier(schema, "answer"), sql.Literal(number))
        )
        for key, digest in cursor:
            found[str(key)] = bytes(digest)
    return found
