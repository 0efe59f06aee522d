"""Motet's tools before a real MCP client: over stdio, over HTTP, in a server that is killed in the middle of a call."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import mcp_types as types
import pytest
from mcp import Client as McpClient
from mcp import StdioServerParameters

from motet.chaos.witness import Witness
from motet.chassis.waiting import wait_until
from motet.platform.ports import free_port
from world import World

SECONDS: Final = 40.0
SERVICES: Final = Path(__file__).resolve().parents[2] / "services"
Use = Callable[[McpClient], Awaitable[Any]]


@pytest.fixture(scope="module")
def running(shared_world: World, outside: Witness) -> World:
    """Coordinator and fault tools run."""
    shared_world.coordinator()
    shared_world.tools("fault_tools", WITNESS_URL=outside.url)
    return shared_world


def arguments(world: World, *more: str) -> list[str]:
    """How the server is started."""
    return ["-m", "motet", "mcp", "fault", "--tenant", world.tenant, "--domain", "mcp", *more]


def environment(world: World) -> dict[str, str]:
    """What it finds its servers by."""
    return {**os.environ, **world.addresses.environment(), "PYTHONPATH": str(SERVICES)}


def over_stdio(world: World, use: Use, *more: str) -> Any:
    """Has a client start the server, as an editor or a desktop application does."""
    parameters = StdioServerParameters(command=sys.executable, args=arguments(world, *more), env=environment(world))

    async def work() -> Any:
        async with McpClient(parameters) as client:
            return await use(client)

    return asyncio.run(work())


def text(result: types.CallToolResult) -> str:
    """What the model reads."""
    (content,) = result.content
    assert isinstance(content, types.TextContent)
    return content.text


def test_a_client_lists_and_calls(running: World) -> None:
    """Schemas and hints from the contracts; results, failures and mistakes as a model reads them."""

    async def use(client: McpClient) -> Any:
        tools = {one.name: one for one in (await client.list_tools()).tools}
        asked: tuple[tuple[str, dict[str, Any]], ...] = (
            ("fault__compute", {}),
            ("fault__compute", {"how": "fail"}),
            ("fault__wire", {"amount": "much"}),
            ("no", {}),
        )
        return tools, [await client.call_tool(name, given) for name, given in asked]

    tools, (done, failing, wrong, unknown) = over_stdio(running, use)
    hints = {name: one.annotations for name, one in tools.items()}
    assert hints["fault__compute"].read_only_hint is True
    assert (hints["fault__mail"].read_only_hint, hints["fault__mail"].destructive_hint) == (False, True)
    assert hints["fault__charge"].idempotent_hint is False
    assert tools["fault__wire"].input_schema["required"] == ["amount"]
    assert (text(done), done.is_error) == ('"computed"', False)
    assert json.loads(text(failing))["error"]["code"] == "ASKED"
    assert json.loads(text(wrong))["error"]["code"] == "ARGUMENTS_INVALID"
    assert "there is no function 'no'" in text(unknown)
    assert all(one.is_error for one in (failing, wrong, unknown))


def test_a_key_makes_a_call_once_and_no_key_makes_two(running: World, outside: Witness) -> None:
    """Also in another process; a key that is none is said."""
    before = len(outside.effects())

    async def use(client: McpClient) -> list[Any]:
        key: Any = {"motet/key": f"once-{running.tenant}"}
        bad: Any = {"motet/key": ""}
        asked = ({"account": "k"}, key), ({"account": "k"}, key), ({"account": "k"}, None), ({"account": "k"}, None)
        out = [await client.call_tool("fault__charge", given, meta=meta) for given, meta in asked]
        return [*out, await client.call_tool("fault__charge", {"account": "k"}, meta=bad)]

    first = over_stdio(running, use)
    assert text(first[0]) == text(first[1])
    assert len(outside.effects()) == before + 3
    assert "it is a text of 1 to 200 characters" in text(first[4])
    again = over_stdio(running, use)
    assert text(again[0]) == text(first[0])
    assert len(outside.effects()) == before + 5


def test_a_server_that_is_killed_in_the_middle_of_a_call(running: World, outside: Witness) -> None:
    """SIGKILL while the tool runs; the client asks the next server by its key, over HTTP, and the effect is there once."""
    before, port = len(outside.effects()), free_port()
    command = [sys.executable, *arguments(running, "--http", str(port))]
    key: Any = {"motet/key": f"killed-{running.tenant}"}
    given = {"account": "z", "query": "?delay=0.8"}

    async def call() -> types.CallToolResult:
        async with McpClient(f"http://127.0.0.1:{port}/mcp") as client:
            return await client.call_tool("fault__charge", given, meta=key)

    def started() -> subprocess.Popen[bytes]:
        child = subprocess.Popen(command, env=environment(running), stderr=subprocess.PIPE)
        assert child.stderr is not None
        assert b"/mcp" in child.stderr.readline()
        wait_until(lambda: answers(port), SECONDS, "the server answers")
        return child

    async def call_and_kill(child: subprocess.Popen[bytes]) -> None:
        task = asyncio.ensure_future(call())
        await asyncio.to_thread(outside.await_requests, len(outside.requests()) + 1)
        child.send_signal(signal.SIGKILL)
        with pytest.raises(Exception):  # noqa: B017, PT011  whatever the client's library makes of a lost connection
            await asyncio.wait_for(task, SECONDS)

    child = started()
    asyncio.run(call_and_kill(child))
    ended(child)
    child = started()
    try:
        assert not asyncio.run(call()).is_error
        assert len(outside.effects()) == before + 1
    finally:
        child.terminate()
        ended(child)


def ended(child: subprocess.Popen[bytes]) -> None:
    """Waits for a server, and closes what it said."""
    child.wait(SECONDS)
    assert child.stderr is not None
    child.stderr.close()


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_what_is_not_there_is_said(running: World) -> None:
    """One line, exit code 2."""
    command = [sys.executable, "-m", "motet", "mcp", "bonk"]
    done = subprocess.run(command, env=environment(running), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "no tool and no toolset is called bonk: is its service running?" in done.stderr
