"""The floor: the same rows written with psycopg, without anything that would remember a plan."""

from __future__ import annotations

# mypy: disable-error-code="import-not-found"
# (The pool is installed under build/peers alone.)
import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from psycopg_pool import AsyncConnectionPool

from benchmarks.peers.database import Database, pool_of, write
from benchmarks.peers.peer import About
from benchmarks.peers.work import Call, Plan


class PsycopgPeer:
    """Inserts from the driver's own process."""

    about = About(
        title="psycopg alone (a floor)",
        api="asyncio.gather over one autocommit INSERT a call, from the driver's own process",
        effects="none is promised: nothing knows of a plan once its process is gone",
        saturated_at=64,
        packages=("psycopg", "psycopg-pool"),
        settings={"connections": "16"},
        has_worker=False,
    )
    schema = "public"

    def __init__(self) -> None:
        self.url = ""
        self.database: Database | None = None
        self.pool: AsyncConnectionPool | None = None

    async def start(self, directory: Path) -> None:
        """Starts PostgreSQL."""
        self.database = Database(directory / "postgres")
        self.url = self.database.url
        self.pool = pool_of(self.url)
        await self.pool.open(wait=True)

    async def run(self, plan: Plan) -> Sequence[str | None]:
        """All calls at once."""
        return await asyncio.gather(*map(self.call, plan.calls))

    async def call(self, call: Call) -> str:
        """One call."""
        await asyncio.sleep(call.wait_seconds)
        assert self.pool is not None
        return await write(self.pool, call)

    async def kill_worker(self) -> None:
        """There is none."""

    async def stop(self) -> None:
        """Stops PostgreSQL."""
        if self.pool is not None:
            await self.pool.close()
        if self.database is not None:
            self.database.close()

    def versions(self) -> Mapping[str, str]:
        """Nothing but packages."""
        return {}
