"""Restate: its server calls a Python service over HTTP/2; a handler runs all calls as durable side effects and gathers them."""

from __future__ import annotations

# mypy: disable-error-code="import-not-found, import-untyped, untyped-decorator"
# (Restate's SDK and Hypercorn are installed under build/peers alone.)
import asyncio
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import restate
from hypercorn.asyncio import serve as serve_http
from hypercorn.config import Config

from benchmarks.peers import places, wire
from benchmarks.peers.children import Child, python_module
from benchmarks.peers.database import Database, pool_of, write
from benchmarks.peers.peer import About, PeerFailed
from benchmarks.peers.work import Call, Plan
from motet.platform.ports import free_port

SATURATED: Final = 32
TIMEOUT_SECONDS: Final = 300.0


class RestatePeer:
    """The server, and one service process, beside PostgreSQL."""

    about = About(
        title="Restate",
        api="one request with an idempotency key; the handler gathers one ctx.run_typed a call",
        effects="at least once: a row is committed before the journal has its result",
        saturated_at=SATURATED,
        packages=("restate-sdk", "hypercorn"),
        settings={
            "server": "one node, its defaults: 24 partitions, every write flushed to disk (rocksdb-disable-wal-fsync is false)",
            "service": "one Hypercorn process, 16 connections",
            "telemetry": "off",
        },
    )
    schema = "public"

    def __init__(self) -> None:
        self.url = ""
        self.database: Database | None = None
        self.server: Child | None = None
        self.worker: Child | None = None
        self.client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, limits=httpx.Limits(max_connections=SATURATED))

    async def start(self, directory: Path) -> None:
        """Starts PostgreSQL, the service and the server, and tells the server of the service."""
        self.database = Database(directory / "postgres")
        self.url = self.database.url
        service = free_port()
        command = python_module("benchmarks.peers.restate_peer", self.url, str(service))
        self.worker = Child("worker", command, directory, partial(wire.listens, service), {})
        await self.worker.start()
        fabric, ingress, admin = free_port(), free_port(), free_port()
        settings = {
            "RESTATE_BASE_DIR": str(directory / "restate"),
            "RESTATE_LISTEN_MODE": "tcp",
            "RESTATE_BIND_ADDRESS": f"127.0.0.1:{fabric}",
            "RESTATE_ADVERTISED_ADDRESS": f"http://127.0.0.1:{fabric}",
            "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{ingress}",
            "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{admin}",
            "RESTATE_DISABLE_TELEMETRY": "true",
        }
        program = places.program(places.NPM, "node_modules/@restatedev/restate-server-*/bin/restate-server")
        answers = partial(self.healthy, f"http://127.0.0.1:{admin}", f"http://127.0.0.1:{ingress}")
        self.server = Child("restate", [program, "--no-logo"], directory, answers, settings)
        await self.server.start()
        told = await self.client.post(
            f"http://127.0.0.1:{admin}/deployments", json={"uri": f"http://127.0.0.1:{service}"}
        )
        if told.is_error:
            raise PeerFailed(f"Restate does not take the service: {told.text}")
        self.client.base_url = httpx.URL(f"http://127.0.0.1:{ingress}")

    async def healthy(self, admin: str, ingress: str) -> bool:
        """Whether the server answers on both of its ends."""
        try:
            answers = [await self.client.get(f"{admin}/health"), await self.client.get(f"{ingress}/restate/health")]
        except httpx.TransportError:
            return False
        return all(answer.is_success for answer in answers)

    async def run(self, plan: Plan) -> Sequence[str | None]:
        """One request."""
        answer = await self.client.post(
            "/plans/run", json=[call.as_json() for call in plan.calls], headers={"idempotency-key": plan.name}
        )
        if answer.is_error:
            raise PeerFailed(f"{answer.status_code}: {answer.text}")
        found: list[str | None] = answer.json()
        return found

    async def kill_worker(self) -> None:
        """The service; the server calls it again."""
        assert self.worker is not None
        await self.worker.kill()
        await self.worker.start()

    async def stop(self) -> None:
        """Stops all."""
        await self.client.aclose()
        for child in (self.server, self.worker):
            if child is not None:
                await child.kill()
        if self.database is not None:
            self.database.close()

    def versions(self) -> Mapping[str, str]:
        """Of the server, as it was installed."""
        return {"Restate server": places.npm_version("@restatedev/restate-server")}


async def serve(url: str, port: int) -> None:
    """The service."""
    pool = pool_of(url)
    await pool.open()
    plans = restate.Service("plans")

    async def tool(key: str, account: str, wait_seconds: float) -> str:
        await asyncio.sleep(wait_seconds)
        return await write(pool, Call(key, account))

    @plans.handler()
    async def run(context: restate.Context, calls: list[dict[str, Any]]) -> list[str]:
        futures = [context.run_typed(call["key"], tool, restate.RunOptions(), **call) for call in calls]
        return [await one for one in await restate.gather(*futures)]

    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    await serve_http(restate.app([plans]), config)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
