"""A session with an MCP server, shared by all threads of a process, and what the end of a request says of its effect.

What came of a request is told apart by what it says of the effect:

| what came | what is known | what is raised |
|---|---|---|
| no connection: the program does not start, refused, unknown name, TLS; it ends or says nothing before it has listed its tools | nothing was sent | TryAgain NOT_CONNECTED |
| over HTTP 425, 429, 503 with Retry-After; 400 or 404 to a session that the server has forgotten | it did not happen, later it may | TryAgain NOT_CONNECTED |
| over HTTP another 4xx without an answer of the protocol; JSON-RPC's "method not found" | it was refused, and would be again | ToolFailed REFUSED |
| the server has another tool of that name by now, or none | nothing was sent | ToolFailed TOOL_CHANGED |
| no answer within the attempt's time | the effect may have happened | Unclear TIMED_OUT |
| the connection broke, the program died, 408, 503, another error ("invalid params" too: servers say it of what a tool raised), an answer that
nobody can read | the effect may have happened | Unknown |

A server that died is started again by the next call, and a connection that broke is made again; while that fails, it is not tried more often than
each 0.5 s, twice as long after each failure, 30 s at most.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

import httpx2
import mcp_types as types
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from motet.adapters.mcp import KEY
from motet.chassis import guard
from motet.chassis.errors import ConfigurationError
from motet.tools import Context, EventLoopThread, ToolFailed, TryAgain, Unknown
from motet.tools.failure import INVALID_RESULT, TIMED_OUT, Unclear

TRACE: Final = "traceparent"
NOT_CONNECTED: Final = "NOT_CONNECTED"
REFUSED: Final = "REFUSED"
TOOL_CHANGED: Final = "TOOL_CHANGED"

# What `Http` answers in place of a server, in codes that JSON-RPC leaves to applications.
NOT_SENT: Final = 778_001
NOT_TAKEN: Final = 778_002
BROKEN: Final = 778_003
GONE: Final = 778_004
LATER: Final = frozenset({425, 429})
# Between a server and us somebody may answer so of a request that the server has.
UNSURE: Final = frozenset({408, 503})
FORGOTTEN: Final = frozenset({400, 404})
SESSION: Final = "mcp-session-id"

# Connecting takes no more than this part of an attempt's time, so that a call which was not sent is known not to be.
FOR_CONNECTING: Final = 0.5
LONGEST_CONNECTING_SECONDS: Final = 2.5
# A session in which so many requests in a row had no answer is taken for one that hangs.
SILENT: Final = 3
FIRST_WAIT_SECONDS: Final = 0.5
LONGEST_WAIT_SECONDS: Final = 30.0
# The library gives a server 2 s to end by itself, 2 s after SIGTERM and 2 s after SIGKILL.
CLOSE_SECONDS: Final = 8.0
# Listing is a request for the protocol's version, up to two more for its older form, and one a page.
REQUESTS: Final = 4
PAGES: Final = 100
MESSAGE_CHARACTERS: Final = 500


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is: a program with its environment, or a URL with headers."""

    command: tuple[str, ...] = ()
    url: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @asynccontextmanager
    async def open(self, ended: Callable[[], None], seconds: float) -> AsyncIterator[Any]:
        """The streams of a connection; `ended` is called once a program says nothing more, `seconds` are for connecting over HTTP."""
        limits = httpx2.Timeout(min(seconds, LONGEST_CONNECTING_SECONDS), read=None, write=None)
        if self.url:
            async with (
                Http(headers=dict(self.headers), timeout=limits) as http,
                streamable_http_client(self.url, http_client=http) as streams,
            ):
                yield streams
        else:
            program, *arguments = self.command
            started = StdioServerParameters(command=program, args=arguments, env=dict(self.environment))
            async with stdio_client(started) as (reads, writes):
                yield Watched(reads, ended), writes


class Watched:
    """What a program says, and the news that it says nothing more: the library tells only those who wait for an answer."""

    def __init__(self, stream: Any, ended: Callable[[], None]) -> None:
        self._stream = stream
        self._ended = ended

    async def receive(self) -> Any:
        """The next message."""
        return await self._stream.receive()

    async def aclose(self) -> None:
        """Closes it."""
        await self._stream.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return await anext(self._stream)
        except StopAsyncIteration:
            self._ended()
            raise

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stream.__aexit__(kind, error, traceback)


class Http(httpx2.AsyncClient):
    """HTTP in which one request that fails ends itself, and not the session with all other requests, and says what is known of it."""

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """The server's answer, or one in its place that says that there is none."""
        if request.method == "DELETE" or (request.method == "POST" and not is_question(request)):
            # Nobody waits for these but the session itself, which must not hang on them.
            limits = request.extensions.get("timeout", {})
            request.extensions = {
                **request.extensions,
                "timeout": {**limits, "read": CLOSE_SECONDS, "write": CLOSE_SECONDS},
            }
        if request.method != "POST":
            return await super().send(request, **options)
        try:
            answer = await super().send(request, **options)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError) as error:
            return instead(request, NOT_SENT, f"nothing was sent: {said(error)}")
        except httpx2.TransportError as error:
            return instead(request, BROKEN, f"it was sent, and not answered: {said(error)}")
        code = meaning(answer.status_code, answer.headers, in_session=SESSION in request.headers)
        if code is None:
            return answer
        if code in (NOT_TAKEN, GONE):
            await answer.aread()
            if code == NOT_TAKEN and is_protocols(answer.content):
                return answer
        await answer.aclose()
        return instead(request, code, f"the server answered {answer.status_code}")


def meaning(status: int, headers: Mapping[str, str], *, in_session: bool) -> int | None:
    """What a status says of a request, None if its body does."""
    if status in FORGOTTEN and in_session:
        return GONE
    if status in LATER or (status == httpx2.codes.SERVICE_UNAVAILABLE and "retry-after" in headers):
        return NOT_SENT
    if status in UNSURE:
        return BROKEN
    return NOT_TAKEN if httpx2.codes.is_client_error(status) else None


def is_question(request: httpx2.Request) -> bool:
    """Whether a POST is a request of the protocol, which has an id, and no notification."""
    try:
        return "id" in json.loads(request.content)
    except (ValueError, TypeError, httpx2.RequestNotRead):
        return True


def is_protocols(content: bytes) -> bool:
    """Whether an answer's body is an error in the words of JSON-RPC: other layers write JSON as well."""
    try:
        found = json.loads(content)
    except ValueError:
        return False
    return isinstance(found, dict) and "jsonrpc" in found and isinstance(found.get("error"), dict)


def instead(request: httpx2.Request, code: int, message: str) -> httpx2.Response:
    """An answer that no server gave. 503, because the library hands on an error's body."""
    content = json.dumps({"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}})
    headers = {"content-type": "application/json"}
    return httpx2.Response(503, headers=headers, content=content, request=request)


class Held:
    """One session, held by a task of its own until it is to end or the server has ended it. On the loop's thread."""

    def __init__(self) -> None:
        self.ready: asyncio.Future[tuple[Client, dict[str, types.Tool]]] = asyncio.get_running_loop().create_future()
        self.closing = asyncio.Event()
        self.over = False
        # Requests in a row that had no answer in time.
        self.silent = 0
        self.task: asyncio.Task[None] | None = None

    def end(self) -> None:
        """No call begins in it any more."""
        self.over = True
        self.closing.set()

    async def hold(self, address: Address, seconds: float, former: Held | None) -> None:
        """Connects once the former session has ended, and keeps the connection."""
        if former is not None and former.task is not None:
            former.end()
            _, left = await asyncio.wait({former.task}, timeout=CLOSE_SECONDS)
            for task in left:
                task.cancel()
        try:
            streams = address.open(self.end, seconds * FOR_CONNECTING)
            async with Client(streams, read_timeout_seconds=seconds, cache=None) as client:
                self.ready.set_result((client, await tools_of(client)))
                await self.closing.wait()
        finally:
            self.end()


class Server:
    """The MCP server of a toolset. `seconds` limits a request, and a call in which nobody else limits it."""

    def __init__(self, toolset: str, address: Address, seconds: float) -> None:
        # What stands in a history has neither a program's arguments nor a URL in it.
        self.where = f"the MCP server of toolset {toolset}"
        self.address = address
        self.seconds = seconds
        self._lock = threading.Lock()
        self._loop: EventLoopThread | None = None
        self._closed = False
        # On the loop's thread.
        self._held: Held | None = None
        self._failures = 0
        self._not_before = 0.0

    def listed(self) -> list[types.Tool]:
        """Its tools, by a session that ends with this. Raises ConfigurationError if there is no connection."""

        async def ask() -> list[types.Tool]:
            streams = self.address.open(lambda: None, self.seconds)
            async with Client(streams, read_timeout_seconds=self.seconds, cache=None) as client:
                return list((await tools_of(client)).values())

        with EventLoopThread() as loop:
            came = guard.attempt(lambda: loop.run(ask(), REQUESTS * self.seconds + CLOSE_SECONDS))
        if isinstance(came, guard.Raised):
            raise ConfigurationError(
                f"{self.where} ({self.address.url or self.address.command[0]}) does not list its tools: {said(came.error)}"
            ) from came.error
        return came.value

    def call(self, tool: types.Tool, arguments: Mapping[str, Any], context: Context) -> types.CallToolResult:
        """One call and its answer, which may be an error of the tool's own. Raises as the module's table says."""
        context.check()
        left = self.seconds if context.seconds_left is None else context.seconds_left
        if left <= 0:
            raise TryAgain(f"{tool.name}: no time was left for it; nothing was sent", NOT_CONNECTED)
        return self._running().run(self._call(tool, arguments, context, left), left)

    def close(self) -> None:
        """Ends the session, and a program that was started."""
        with self._lock:
            self._closed, loop, self._loop = True, self._loop, None
        if loop is not None:
            loop.run(self._end(), 2 * CLOSE_SECONDS)
            loop.close()

    # -- on the loop's thread ----------------------------------------------------------------------------------------------

    async def _call(
        self, tool: types.Tool, arguments: Mapping[str, Any], context: Context, left: float
    ) -> types.CallToolResult:
        held, client, listed = await self._session(left * FOR_CONNECTING)
        have = listed.get(tool.name)
        if have is None or contract_of(have) != contract_of(tool):
            state = "is not there any more" if have is None else "has other schemas or annotations"
            message = (
                f"{tool.name} of {self.where} {state} than when its contract was made: start the tool service again"
            )
            raise ToolFailed(message, TOOL_CHANGED)
        try:
            answer = await client.call_tool(
                tool.name,
                dict(arguments),
                read_timeout_seconds=context.seconds_left or left,
                progress_callback=partial(beat, context),
                meta=meta_of(context),
            )
        except MCPError as error:
            held.silent = held.silent + 1 if error.code == types.REQUEST_TIMEOUT else 0
            # Another session, for a server that has forgotten this one, or that says nothing any more.
            held.over = held.over or error.code == GONE or held.silent >= SILENT
            raise ended(tool.name, error) from error
        except RuntimeError as error:
            # The library's word for a result that breaks its own schema.
            raise Unclear(f"{tool.name}: {error}", INVALID_RESULT) from error
        held.silent = 0
        return answer

    async def _session(self, seconds: float) -> tuple[Held, Client, dict[str, types.Tool]]:
        """The session; a new one if the last is over. Raises TryAgain."""
        held = self._held
        if held is None or held.over:
            wait = self._not_before - time.monotonic()
            if wait > 0:
                raise TryAgain(f"no connection to {self.where}: tried a moment ago", NOT_CONNECTED, wait)
            former, held = held, Held()
            held.task = asyncio.get_running_loop().create_task(held.hold(self.address, self.seconds, former))
            held.task.add_done_callback(partial(self._note, held))
            self._held = held
        waited: set[asyncio.Future[Any]] = {held.ready}
        if held.task is not None:
            waited.add(held.task)
        await asyncio.wait(waited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if held.ready.done():
            return held, *held.ready.result()
        why = "it is still being made"
        if held.task is not None and held.task.done():
            why = said(held.task.exception())
        raise TryAgain(f"no connection to {self.where}: {why}", NOT_CONNECTED)

    def _note(self, held: Held, task: asyncio.Task[None]) -> None:
        """A session ended. One that never was makes the next one wait."""
        # Asked for, so that it is not taken for one that nobody saw.
        _ = None if task.cancelled() else task.exception()
        self._failures = 0 if held.ready.done() else self._failures + 1
        if self._failures:
            longer: float = FIRST_WAIT_SECONDS * 2 ** min(self._failures - 1, 10)
            self._not_before = time.monotonic() + min(longer, LONGEST_WAIT_SECONDS)

    async def _end(self) -> None:
        held = self._held
        if held is not None and held.task is not None:
            held.end()
            await asyncio.wait({held.task}, timeout=CLOSE_SECONDS)

    def _running(self) -> EventLoopThread:
        """The loop, once somebody needs it."""
        with self._lock:
            if self._closed:
                raise TryAgain("the process ends; nothing was sent", NOT_CONNECTED)
            if self._loop is None:
                self._loop = EventLoopThread()
                atexit.register(self.close)
            return self._loop


def contract_of(tool: types.Tool) -> tuple[Any, ...]:
    """What of a tool a call relies on."""
    return tool.input_schema, tool.output_schema, tool.annotations


async def tools_of(client: Client) -> dict[str, types.Tool]:
    """All tools of a server, by name."""
    found: dict[str, types.Tool] = {}
    cursor: str | None = None
    for _ in range(PAGES):
        page = await client.list_tools(cursor=cursor)
        found.update((one.name, one) for one in page.tools)
        cursor = page.next_cursor
        if cursor is None:
            return found
    raise ConfigurationError(f"it lists its tools on more than {PAGES} pages")


def meta_of(context: Context) -> Any:
    """What a request carries beside its arguments."""
    trace = {} if context.traceparent is None else {TRACE: context.traceparent}
    return {KEY: context.key, **trace}


async def beat(context: Context, progress: float, total: float | None, message: str | None) -> None:
    """A server's progress as the call's heartbeat."""
    told = {"progress": progress, "total": total, "message": message and message[:MESSAGE_CHARACTERS]}
    context.heartbeat({name: value for name, value in told.items() if value is not None})


def ended(name: str, error: MCPError) -> Exception:
    """The word for an error that came in place of a result."""
    message = f"{name}: {error.message}"
    if error.code in (NOT_SENT, GONE):
        return TryAgain(message, NOT_CONNECTED)
    if error.code in (NOT_TAKEN, types.METHOD_NOT_FOUND):
        return ToolFailed(message, REFUSED)
    if error.code == types.REQUEST_TIMEOUT:
        return Unclear(message, TIMED_OUT)
    return Unknown(message)


def said(error: BaseException | None) -> str:
    """An error in one line; of several that came together the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
