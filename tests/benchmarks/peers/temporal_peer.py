"""Temporal's development server on a SQLite file: a workflow starts all calls as activities and gathers their results."""

from __future__ import annotations

# mypy: disable-error-code="import-not-found, import-untyped, untyped-decorator"
# (Temporal's SDK is installed under build/peers alone.)
import asyncio
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from temporalio.client import Client
    from temporalio.worker import Worker

    from benchmarks.peers import places, wire
    from benchmarks.peers.children import Child, python_module
    from benchmarks.peers.database import Database, pool_of, write
    from benchmarks.peers.install import TEMPORAL
    from benchmarks.peers.peer import About
    from benchmarks.peers.work import Call, Plan
    from motet.platform.ports import free_port

QUEUE: Final = "peers"
ACTIVITY_SECONDS: Final = 10.0
ACTIVITIES: Final = 256


@workflow.defn(name="plan")
class PlanWorkflow:
    """A plan."""

    @workflow.run
    async def run(self, calls: list[dict[str, Any]]) -> list[str]:
        """All calls at once."""
        limit = timedelta(seconds=ACTIVITY_SECONDS)
        started = [
            workflow.execute_activity("write", call, start_to_close_timeout=limit, result_type=str) for call in calls
        ]
        return list(await asyncio.gather(*started))


class TemporalPeer:
    """The server, and one worker process, beside PostgreSQL."""

    about = About(
        title="Temporal (development server)",
        api="Client.execute_workflow; the workflow gathers one activity a call",
        effects="at least once: an activity whose worker died runs again after its timeout",
        saturated_at=32,
        packages=("temporalio",),
        settings={
            "server": "start-dev with a database file, SQLite pragmas journal_mode wal and synchronous full",
            "worker": f"one process, {ACTIVITIES} activities and workflow tasks at once, async activities, 16 connections",
            "start_to_close_timeout": f"{ACTIVITY_SECONDS:g} s",
        },
    )
    schema = "public"

    def __init__(self) -> None:
        self.url = ""
        self.database: Database | None = None
        self.server: Child | None = None
        self.worker: Child | None = None
        self.client: Client | None = None
        self.ready = ""

    async def start(self, directory: Path) -> None:
        """Starts PostgreSQL, the server and the worker."""
        self.database = Database(directory / "postgres")
        self.url = self.database.url
        port = free_port()
        command = [places.program(places.GO, "temporal"), "server", "start-dev", "--headless", "--ip", "127.0.0.1"]
        command += ["--port", str(port), "--db-filename", str(directory / "temporal.db"), "--log-level", "error"]
        command += ["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=full"]
        self.server = Child("temporal", command, directory, partial(self.connected, f"127.0.0.1:{port}"), {})
        await self.server.start()
        beat = free_port()
        arguments = python_module("benchmarks.peers.temporal_peer", self.url, f"127.0.0.1:{port}", str(beat))
        self.worker = Child("worker", arguments, directory, partial(wire.listens, beat), {})
        await self.worker.start()

    async def connected(self, address: str) -> bool:
        """Whether the server takes a client."""
        try:
            self.client = await Client.connect(address)
        except RuntimeError:
            return False
        return True

    async def run(self, plan: Plan) -> Sequence[str | None]:
        """One workflow."""
        assert self.client is not None
        found: list[str | None] = await self.client.execute_workflow(
            "plan", [call.as_json() for call in plan.calls], id=plan.name, task_queue=QUEUE, result_type=list[str]
        )
        return found

    async def kill_worker(self) -> None:
        """The worker; the server gives its tasks to the next one after their timeouts."""
        assert self.worker is not None
        await self.worker.kill()
        await self.worker.start()

    async def stop(self) -> None:
        """Stops all."""
        for child in (self.worker, self.server):
            if child is not None:
                await child.kill()
        if self.database is not None:
            self.database.close()

    def versions(self) -> Mapping[str, str]:
        """Of the program: the one that was asked for, since it was built from source and does not know it, and its server's."""
        told = subprocess.run(
            [places.program(places.GO, "temporal"), "--version"], capture_output=True, text=True, check=True
        )
        return {
            "Temporal CLI": TEMPORAL.rpartition("@")[2],
            "server": told.stdout.partition("Server ")[2].partition(",")[0],
        }


async def serve(url: str, address: str, beat: int) -> None:
    """The worker. It listens on a port of its own once it runs: whoever started it waits for that."""
    pool = pool_of(url)
    await pool.open()
    client = await Client.connect(address)

    @activity.defn(name="write")
    async def tool(call: dict[str, Any]) -> str:
        await asyncio.sleep(call["wait_seconds"])
        return await write(pool, Call.from_json(call))

    worker = Worker(
        client,
        task_queue=QUEUE,
        workflows=[PlanWorkflow],
        activities=[tool],
        max_concurrent_activities=ACTIVITIES,
        max_concurrent_workflow_tasks=ACTIVITIES,
    )
    async with worker:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", beat)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], int(sys.argv[3])))
