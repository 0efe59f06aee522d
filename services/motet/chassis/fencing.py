"""Fencing: whoever writes checks, in the transaction that writes, that nobody with a higher token was here before.

A lease alone protects nothing: its holder may be paused for longer than it lasts, wake up and write (Kleppmann, "How to do distributed
locking", 2016). The highest token that was seen is a row beside what it protects; it is raised, or the write refused, in one statement.
"""

from __future__ import annotations

from typing import Any, Final

import psycopg

from motet.chassis.errors import MotetError

TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS lease_fence (scope text NOT NULL, resource text NOT NULL, token bigint NOT NULL, "
    "PRIMARY KEY (scope, resource))"
)
# The row stays locked until the transaction ends, so that of two writers the second one sees what the first one did.
RAISE: Final = (
    "INSERT INTO lease_fence AS f (scope, resource, token) VALUES (%s, %s, %s) "
    "ON CONFLICT (scope, resource) DO UPDATE SET token = excluded.token WHERE f.token <= excluded.token RETURNING token"
)
SEEN: Final = "SELECT token FROM lease_fence WHERE scope = %s AND resource = %s"


class StaleToken(MotetError):
    """Somebody with a higher token was here before: the lease is over. Nobody tries again; ask for a new lease."""

    def __init__(self, resource: str, token: int, seen: int) -> None:
        super().__init__(f"stale token {token} for {resource}: token {seen} was seen")
        self.resource, self.token, self.seen = resource, token, seen


def prepare(connection: psycopg.Connection[Any]) -> None:
    """Creates the table `lease_fence` where the connection's names resolve, unless it is there."""
    connection.execute(TABLE)


def fence(connection: psycopg.Connection[Any], resource: str, token: int, scope: str = "") -> None:
    """Checks a token, and remembers it, in the transaction that the caller has open. Raises StaleToken.

    `scope` tells resources of one name apart that are leased in different scopes. Call it before the write, in the same transaction and on
    the database of the write: then either both happen, or neither. Raises ValueError outside of a transaction.
    """
    if connection.autocommit and connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
        raise ValueError("fence() was called outside of a transaction: it must commit with what it protects")
    if connection.execute(RAISE, (scope, resource, token)).fetchone() is None:
        row = connection.execute(SEEN, (scope, resource)).fetchone()
        raise StaleToken(resource, token, row[0] if row else 0)
