"""How a driver reaches a system that is a library inside of its worker process: plans and results as JSON lines on a local socket.

A plan's name is its identity. A driver that lost its connection sends again what has no answer yet, under the same name, and the worker
must go on with that plan instead of beginning a second one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from benchmarks.peers.work import Call, Plan

AGAIN_SECONDS: Final = 0.1
LINE_BYTES: Final = 1 << 20

Handler = Callable[[Plan], Awaitable[Sequence[str | None]]]


class WorkerRaised(Exception):
    """The worker's own exception ended the plan."""


class Wire:
    """The driver's end; it connects again until it is closed."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.pending: dict[str, tuple[bytes, asyncio.Future[list[str | None]]]] = {}
        self.writer: asyncio.StreamWriter | None = None
        self.task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begins to connect."""
        self.task = asyncio.create_task(self.keep_connected())

    async def close(self) -> None:
        """Ends the connection."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    async def run(self, plan: Plan) -> list[str | None]:
        """Sends a plan and waits for its results. Raises WorkerRaised."""
        calls = [call.as_json() for call in plan.calls]
        line = json.dumps({"name": plan.name, "number": plan.number, "calls": calls}).encode() + b"\n"
        future: asyncio.Future[list[str | None]] = asyncio.get_running_loop().create_future()
        self.pending[plan.name] = (line, future)
        try:
            if self.writer is not None:
                self.writer.write(line)
            return await future
        finally:
            del self.pending[plan.name]

    async def keep_connected(self) -> None:
        """One connection after the other."""
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=LINE_BYTES)
                try:
                    self.writer = writer
                    for line, _ in self.pending.values():
                        writer.write(line)
                    while answer := await reader.readline():
                        self.take(json.loads(answer))
                finally:
                    self.writer = None
                    writer.close()
            await asyncio.sleep(AGAIN_SECONDS)

    def take(self, answer: dict[str, Any]) -> None:
        """One answer; a second one to the same plan is nobody's."""
        _, future = self.pending.get(answer["name"], (b"", None))
        if future is None or future.done():
            return
        if "error" in answer:
            future.set_exception(WorkerRaised(answer["error"]))
        else:
            future.set_result(answer["results"])


async def serve(port: int, handler: Handler) -> None:
    """The worker's end, until the process ends: each plan in a task of its own."""
    tasks: set[asyncio.Task[None]] = set()

    async def answer(line: bytes, writer: asyncio.StreamWriter) -> None:
        asked = json.loads(line)
        plan = Plan(asked["name"], asked["number"], tuple(map(Call.from_json, asked["calls"])))
        # Whatever the library raises is the plan's end, and the driver's to count.
        (found,) = await asyncio.gather(handler(plan), return_exceptions=True)
        told: dict[str, Any] = {"name": plan.name}
        if isinstance(found, BaseException):
            told["error"] = f"{type(found).__name__}: {found}"
        else:
            told["results"] = list(found)
        writer.write(json.dumps(told).encode() + b"\n")

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            task = asyncio.create_task(answer(line, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connection, "127.0.0.1", port, limit=LINE_BYTES)
    await server.serve_forever()


async def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
