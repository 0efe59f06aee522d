"""Celery on Redis: a plan is a group of tasks, acknowledged after they ran; the driver joins their results.

The tasks' module is this one: `celery --app benchmarks.peers.celery_peer worker`.
"""

from __future__ import annotations

# mypy: disable-error-code="import-not-found, import-untyped, untyped-decorator"
# (Celery is installed under build/peers alone.)
import asyncio
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import psycopg
import redis
from celery import Celery, group

import debian
from benchmarks.peers import wire
from benchmarks.peers.children import Child, python_module
from benchmarks.peers.database import Database
from benchmarks.peers.peer import About, PeerFailed
from benchmarks.peers.work import Call, Plan
from motet.platform.ports import free_port

REDIS: Final = "MOTET_PEERS_REDIS"
POSTGRES: Final = "MOTET_PEERS_POSTGRES"
PROCESSES: Final = 8
SATURATED: Final = 64
# Redis gives a task that nobody acknowledged to another worker after this; by default only after an hour.
VISIBILITY_SECONDS: Final = 10
RESULT_SECONDS: Final = 120.0
READY_SECONDS: Final = 1.0

app: Any = Celery("peers", broker=os.environ.get(REDIS), backend=os.environ.get(REDIS))
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_transport_options={
        "visibility_timeout": VISIBILITY_SECONDS,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
    },
    result_backend_transport_options={"visibility_timeout": VISIBILITY_SECONDS},
    broker_connection_retry_on_startup=True,
    broker_pool_limit=SATURATED,
    worker_hijack_root_logger=False,
)


@cache
def connection() -> psycopg.Connection[Any]:
    """The connection of a pool process."""
    return psycopg.connect(os.environ[POSTGRES], autocommit=True)


@app.task(name="peers.write")
def write(key: str, account: str, wait_seconds: float) -> str:
    """The tool."""
    threading.Event().wait(wait_seconds)
    call = Call(key, account, wait_seconds)
    connection().execute(call.statement.encode(), call.parameters)
    return key


class CeleryPeer:
    """One worker with a pool of processes beside Redis."""

    about = About(
        title="Celery + Redis",
        api="group of one task a call: apply_async(), then join(); a thread of the driver for each plan in flight",
        effects="at least once: acks_late, a task whose worker died runs again",
        saturated_at=SATURATED,
        packages=("celery", "kombu", "redis"),
        settings={
            "tasks": "acks_late, reject_on_worker_lost, worker_prefetch_multiplier 1",
            "worker": f"prefork, {PROCESSES} processes with one connection each; a tool that waits keeps its process meanwhile",
            "visibility_timeout": f"{VISIBILITY_SECONDS} s, else unacknowledged tasks of a killed worker wait an hour",
            "unacked_restore_interval, unacked_restore_throttle": "1, else they are looked for every 100 s",
            "Redis": "appendonly yes, appendfsync always",
            "gossip, mingle": "off: there is one worker",
        },
    )
    schema = "public"

    def __init__(self) -> None:
        self.url = ""
        self.database: Database | None = None
        self.redis: Child | None = None
        self.worker: Child | None = None
        self.port = 0
        self.threads = ThreadPoolExecutor(SATURATED, "celery-driver")

    async def start(self, directory: Path) -> None:
        """Starts PostgreSQL, Redis and the worker."""
        self.database = Database(directory / "postgres")
        self.url = self.database.url
        self.port = free_port()
        program, environment = debian.program("redis-server")
        options = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(directory), "--save", ""]
        options += ["--appendonly", "yes", "--appendfsync", "always"]
        self.redis = Child("redis", [program, *options], directory, partial(wire.listens, self.port), environment)
        await self.redis.start()
        address = f"redis://127.0.0.1:{self.port}/0"
        app.conf.update(broker_url=address, result_backend=address)
        arguments = ["--app", "benchmarks.peers.celery_peer", "worker", "--concurrency", str(PROCESSES)]
        arguments += ["--without-gossip", "--without-mingle", "--loglevel", "WARNING"]
        command = python_module("celery", *arguments)
        self.worker = Child("worker", command, directory, self.answers, {REDIS: address, POSTGRES: self.url})
        await self.worker.start()

    async def answers(self) -> bool:
        """Whether a worker answers a ping."""

        def pong() -> bool:
            with suppress(redis.RedisError, OSError):
                return bool(app.control.ping(timeout=READY_SECONDS))
            return False

        return await asyncio.to_thread(pong)

    async def run(self, plan: Plan) -> Sequence[str | None]:
        """One group."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, joined, plan)

    async def kill_worker(self) -> None:
        """The worker and its pool."""
        assert self.worker is not None
        await self.worker.kill()
        await self.worker.start()

    async def stop(self) -> None:
        """Stops all."""
        for child in (self.worker, self.redis):
            if child is not None:
                await child.kill()
        self.threads.shutdown(wait=False, cancel_futures=True)
        if self.database is not None:
            self.database.close()

    def versions(self) -> Mapping[str, str]:
        """Of the server."""
        with redis.Redis(port=self.port) as client:
            return {"Redis server": str(client.info("server")["redis_version"])}


def joined(plan: Plan) -> list[str | None]:
    """Runs a plan and waits, on a thread of its own. Raises what a task raised."""
    tasks = group(write.s(call.key, call.account, call.wait_seconds) for call in plan.calls)
    results = tasks.apply_async()
    try:
        found: list[str | None] = results.join(timeout=RESULT_SECONDS)
    finally:
        results.forget()
    if len(found) != len(plan.calls):
        raise PeerFailed(f"{len(found)} results of {len(plan.calls)}")
    return found
