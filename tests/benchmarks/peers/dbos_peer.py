"""DBOS: a workflow in its worker process starts all calls at once, as steps or as transactions of a datasource.

The worker takes plans over a local socket and starts a workflow for each, under the plan's name: as an application with DBOS inside does.
"""

from __future__ import annotations

# mypy: disable-error-code="import-not-found, import-untyped, untyped-decorator"
# (DBOS is installed under build/peers alone.)
import asyncio
import sys
from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from dbos import DBOS, AsyncSQLAlchemyDatasource, SetWorkflowID

from benchmarks.peers import wire
from benchmarks.peers.database import CONNECTIONS, pool_of, write
from benchmarks.peers.peer import About
from benchmarks.peers.wired import WiredPeer
from benchmarks.peers.work import Call, Plan

SYSTEM_POOL: Final = 20
PACKAGES: Final = ("dbos", "sqlalchemy", "psycopg")
SETTINGS: Final = {
    "pools": f"{CONNECTIONS} connections for tools, {SYSTEM_POOL} (its default) for its own tables",
    "workers": "one process; plans reach it over a local socket and not by a queue, which is polled",
}


class DbosPeer(WiredPeer):
    """One worker process beside PostgreSQL; calls are steps."""

    about = About(
        title="DBOS",
        api="an async workflow that gathers one step a call (DBOS.step)",
        effects="at least once: a row is committed before its checkpoint is",
        saturated_at=32,
        packages=PACKAGES,
        settings=SETTINGS,
    )
    worker_module = "benchmarks.peers.dbos_peer"
    worker_arguments = ("plain",)


class DbosTransactionsPeer(DbosPeer):
    """The same; calls are transactions of a datasource."""

    about = About(
        title="DBOS, transactions",
        api="an async workflow that gathers one datasource transaction a call (AsyncSQLAlchemyDatasource)",
        effects="exactly once: a row and its checkpoint are one transaction",
        saturated_at=32,
        packages=PACKAGES,
        settings={
            **SETTINGS,
            "isolation_level": "READ COMMITTED, as for all others; its default is SERIALIZABLE",
            "tools that wait": "steps, which may run twice: a transaction would hold its connection while it waits",
        },
    )
    worker_arguments = ("transactions",)


async def serve(url: str, port: int, steps: str) -> None:
    """The worker."""
    address = url.replace("postgresql://", "postgresql+psycopg://")
    DBOS(
        config={
            "name": "peers",
            "system_database_url": address,
            "application_version": "1",
            "executor_id": "one",
            "log_level": "WARNING",
        }
    )
    source = await AsyncSQLAlchemyDatasource.create(
        address, engine_kwargs={"pool_size": CONNECTIONS, "max_overflow": 0, "pool_timeout": 600}
    )

    @source.transaction(isolation_level="READ COMMITTED")
    async def transaction(key: str, account: str) -> str:
        call = Call(key, account)
        statement = call.statement.replace("%(key)s", ":key").replace("%(account)s", ":account")
        await source.sql_session().execute(sa.text(statement), call.parameters)
        return key

    @DBOS.step()
    async def step(key: str, account: str, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return await write(pool, Call(key, account))

    async def tool(call: dict[str, Any]) -> str:
        # One step a call: steps are numbered as they start, and that order must be the same in each execution.
        if steps == "transactions" and not call["wait_seconds"]:
            return str(await transaction(call["key"], call["account"]))
        return str(await step(call["key"], call["account"], call["wait_seconds"]))

    @DBOS.workflow()
    async def run_plan(calls: list[dict[str, Any]]) -> list[str]:
        return list(await asyncio.gather(*map(tool, calls)))

    pool = pool_of(url)
    await pool.open()
    DBOS.launch()

    async def handle(plan: Plan) -> Sequence[str | None]:
        with SetWorkflowID(plan.name):
            found: list[str | None] = await run_plan([call.as_json() for call in plan.calls])
        return found

    await wire.serve(port, handle)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
