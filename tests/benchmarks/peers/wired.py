"""A peer that is a library: PostgreSQL, and one worker process with it inside, which takes plans over a local socket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.peers import wire
from benchmarks.peers.children import Child, python_module
from benchmarks.peers.database import Database
from benchmarks.peers.work import Plan
from motet.platform.ports import free_port


class WiredPeer:
    """Runs `worker_module` with the address of PostgreSQL, the port of its socket, and `worker_arguments`."""

    schema = "public"
    worker_module = ""
    worker_arguments: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.url = ""
        self.database: Database | None = None
        self.worker: Child | None = None
        self.wire: wire.Wire | None = None

    async def start(self, directory: Path) -> None:
        """Starts PostgreSQL and the worker, which makes the library's own tables."""
        self.database = Database(directory / "postgres")
        self.url = self.database.url
        port = free_port()
        command = python_module(self.worker_module, self.url, str(port), *self.worker_arguments)
        self.worker = Child("worker", command, directory, partial(wire.listens, port), {})
        await self.worker.start()
        self.wire = wire.Wire(port)
        self.wire.open()

    async def run(self, plan: Plan) -> Sequence[str | None]:
        """Sends a plan to the worker."""
        assert self.wire is not None
        return await self.wire.run(plan)

    async def kill_worker(self) -> None:
        """The process; whoever waits asks again, and the library goes on from what it kept."""
        assert self.worker is not None
        await self.worker.kill()
        await self.worker.start()

    async def stop(self) -> None:
        """Stops all."""
        if self.wire is not None:
            await self.wire.close()
        if self.worker is not None:
            await self.worker.kill()
        if self.database is not None:
            self.database.close()

    def versions(self) -> Mapping[str, str]:
        """Nothing but packages."""
        return {}
