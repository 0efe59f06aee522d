"""The PostgreSQL of a peer: the same program with the same settings as Motet's own, fsync on, empty at first."""

from __future__ import annotations

# mypy: disable-error-code="import-not-found"
# (The pool is installed under build/peers alone.)
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import psycopg
from psycopg_pool import AsyncConnectionPool

import servers
from benchmarks.peers.work import SCHEMA, Call

# Tools of one worker process that write at once.
CONNECTIONS: Final = 16


class Database:
    """A server that runs until it is closed; `url` is its database."""

    def __init__(self, directory: Path) -> None:
        self.open = ExitStack()
        directory.mkdir(mode=0o755)
        self.url = self.open.enter_context(servers.postgres_alone(directory, {}))
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(SCHEMA.encode())

    def close(self) -> None:
        """Stops it and removes its data."""
        self.open.close()


def pool_of(url: str, connections: int = CONNECTIONS) -> AsyncConnectionPool:
    """Connections in autocommit: one statement is one transaction. To be opened on the event loop."""
    return AsyncConnectionPool(
        url, min_size=connections, max_size=connections, kwargs={"autocommit": True}, open=False, timeout=600.0
    )


async def write(pool: AsyncConnectionPool, call: Call) -> str:
    """The tool: one transaction that writes the call's row; its key is the result."""
    async with pool.connection() as connection:
        await connection.execute(call.statement.encode(), call.parameters)
    return call.key
