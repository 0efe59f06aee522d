"""Tools of a real MCP server (`examples/mcp_server.py`) run through Motet: in order, once, killed in the middle, and beside its library alone.

The server's file is the witness: each line of it is one effect.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import pytest

from motet.chassis.waiting import wait_until
from motet.client import Call, Client, Policy, Submitted
from motet.platform.ports import free_port
from world import Process, World

SECONDS: Final = 60.0
ROOT: Final = Path(__file__).resolve().parents[2]
SERVER: Final = ROOT / "examples" / "mcp_server.py"
TOOLS: Final = ROOT / "examples" / "mcp_tools.py"
AGENT: Final = Path(__file__).parent / "mcp_agent.py"
END: Final = Policy(in_doubt="end")
SHORT: Final = {"MOTET_SESSION_TIMEOUT_MS": "3000"}
# Over HTTP the server is somebody else's process.
WEB_TOOLS: Final = """
from motet.adapters.mcp_tools import McpOptions, mcp_toolset

tools = mcp_toolset(
    "web-notes",
    url="http://127.0.0.1:{port}/mcp",
    only=["append-note", "read-notes"],
    options=dict.fromkeys(["append-note"], McpOptions(attempts=5)),
    timeout_seconds=5,
)
"""
# A server that returns what a request carried.
CARRIED: Final = """
from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("carried")

@server.tool()
def carried(context: Context) -> str:
    return context.request_context.meta["motet/key"]

server.run()
"""
# A server that has another tool each time it is started.
CHANGING: Final = """
from pathlib import Path
from mcp.server.mcpserver import MCPServer

server, starts = MCPServer("changing"), Path(__file__).with_suffix(".starts")
starts.open("a").write("x")

@server.tool()
def wipe() -> str:
    return "wiped"

@server.tool()
def change(a: int = len(starts.read_text())) -> str:
    return "done"

server.run()
"""
CHANGED: Final = """
import sys
from motet.adapters.mcp_tools import mcp_toolset
from motet.tools import Context, ToolFailed

change, wipe = mcp_toolset("changing", command=[sys.executable, sys.argv[1]]).tools
print(wipe.call({}, Context.for_testing())["result"])
try:
    change.call({}, Context.for_testing())
except ToolFailed as error:
    print(error.code, error)
"""
CALLING: Final = """
import sys
from motet.adapters.mcp_tools import mcp_toolset
from motet.tools import Context

(tool,) = mcp_toolset("carried", command=[sys.executable, sys.argv[1]]).tools
print(tool.call({}, Context.for_testing(key="k" * 64))["result"])
"""


@dataclass
class Stage:
    """A running Motet with the notes' tools, and the notes."""

    world: World
    notes: Path
    client: Client

    def start(self) -> Process:
        """The tool service, which starts the MCP server."""
        return self.world.tools(str(TOOLS), NOTES=str(self.notes), **SHORT)

    @property
    def service(self) -> Process:
        """The tool service's process."""
        return self.world.running["tools-mcp_tools"]

    def servers(self) -> list[psutil.Process]:
        """The MCP servers that it runs."""
        children = psutil.Process(self.service.child.pid).children(recursive=True)
        return [one for one in children if str(SERVER) in one.cmdline()]

    def lines(self, text: str) -> int:
        """How often a note was written."""
        return count(self.notes, text)

    def await_progress(self, submitted: Submitted, index: int) -> None:
        """Waits until SQL shows what the server says of a call."""
        query = "SELECT progress FROM motet.calls WHERE plan_id = %s AND index = %s AND progress IS NOT NULL"
        place = (submitted.plan_id, index)
        wait_until(lambda: bool(self.world.sql(query, place)), SECONDS, "progress of the server's")
        assert self.world.sql(query, place) == [({"progress": 0, "total": 1, "message": "reading"},)]


def count(notes: Path, text: str) -> int:
    """How often a line is in a file."""
    return notes.read_text().splitlines().count(text) if notes.exists() else 0


def printed(script: str, server: Path) -> str:
    """What a script prints that makes a toolset of a server."""
    command, environment = (
        [sys.executable, "-c", script, str(server)],
        {**os.environ, "PYTHONPATH": str(ROOT / "services")},
    )
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=SECONDS)
    return done.stdout


def ends(submitted: Submitted) -> list[tuple[str, str | None]]:
    """How calls ended, and why."""
    return [(one.status, one.error_code) for one in submitted.wait(SECONDS).results]


@pytest.fixture(scope="module")
def set_up(shared_world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One stage for all tests."""
    shared_world.coordinator()
    shared_world.projector()
    with shared_world.client("notes") as client:
        made = Stage(shared_world, tmp_path_factory.mktemp("notes") / "notes.txt", client)
        made.start()
        yield made


@pytest.fixture
def stage(set_up: Stage) -> Stage:
    """The stage, its tool service running."""
    if set_up.service.child.poll() is not None:
        set_up.start()
    return set_up


def test_contracts_are_what_the_server_lists(stage: Stage) -> None:
    """Names that Motet takes, effect classes from annotations, the server's schemas and descriptions."""
    contracts = {one.name: one for one in stage.client.contracts() if one.toolset == "notes"}
    assert {name: one.effect for name, one in contracts.items()} == {
        "notes.read_notes": "PURE",
        "notes.pin_note": "IDEMPOTENT",
        "notes.append_note": "IRREVERSIBLE",
        "notes.refuse_note": "IRREVERSIBLE",
    }
    append = contracts["notes.append_note"]
    assert json.loads(append.arguments_schema)["required"] == ["text"]
    assert json.loads(append.result_schema)["required"] == ["result"]
    assert append.description == "Writes a note, once more at each call."


def test_parallel_calls_end_in_call_order_and_happen_once(stage: Stage) -> None:
    """The slowest first; what the server refuses costs the others nothing."""
    slowly = [Call("notes.append_note", {"text": f"note {at}", "seconds": (8 - at) / 10}) for at in range(8)]
    refused, pinned = Call("notes.refuse_note", {"text": "x"}), Call("notes.pin_note", {"text": "pinned"})
    outcome = stage.client.run([*slowly, refused, pinned, Call("notes.read_notes")], timeout_seconds=SECONDS)
    assert [one.value for one in outcome.results[:8]] == [{"result": f"appended note {at}"} for at in range(8)]
    assert (outcome.results[8].error_code, outcome.results[8].error_message) == (
        "TOOL_ERROR",
        "Error executing tool refuse-note: x is no note",
    )
    assert [one.status for one in outcome.results[9:]] == ["SUCCEEDED", "SUCCEEDED"]
    assert [stage.lines(f"note {at}") for at in range(8)] == [1] * 8
    assert stage.lines("pinned") == 1
    # One server, which all calls share.
    assert len(stage.servers()) == 1


def test_the_tool_service_is_killed_while_calls_run(stage: Stage) -> None:
    """SIGKILL: what destroys is in doubt and was done once, what is idempotent or only reads is run again and succeeds."""
    given = {"text": "destructive", "seconds": 6}
    calls = [
        Call("notes.append_note", given),
        Call("notes.pin_note", {"text": "again", "seconds": 6}),
        Call("notes.read_notes", {"seconds": 6}),
    ]
    submitted = stage.client.submit(calls, policy=END, idempotency_key="killed")
    wait_until(lambda: stage.lines("destructive") == stage.lines("again") == 1, SECONDS, "both effects")
    stage.await_progress(submitted, 2)
    stage.service.kill()
    stage.start()
    assert ends(submitted) == [("IN_DOUBT", "CRASHED"), ("SUCCEEDED", None), ("SUCCEEDED", None)]
    results = submitted.wait(SECONDS).results
    assert results[1].value == {"result": "pinned again"}
    assert "destructive" in results[2].value["result"]
    # An agent that was killed too asks again, and is told the same.
    assert ends(stage.client.submit(calls, policy=END, idempotency_key="killed"))[0] == ("IN_DOUBT", "CRASHED")
    assert (stage.lines("destructive"), stage.lines("again")) == (1, 1)


def test_the_library_alone_does_it_twice(tmp_path: Path) -> None:
    """The same kill in an agent that calls the server itself: run again, it appends once more."""
    notes = tmp_path / "notes.txt"
    calls = json.dumps([["append-note", {"text": "destructive", "seconds": 2}]])
    command, environment = [sys.executable, str(AGENT), str(SERVER), calls], {**os.environ, "NOTES": str(notes)}
    with subprocess.Popen(command, env=environment) as agent:
        wait_until(lambda: count(notes, "destructive") == 1, SECONDS, "the effect")
        agent.send_signal(signal.SIGKILL)
    subprocess.run(command, env=environment, check=True, timeout=SECONDS)
    assert count(notes, "destructive") == 2


def test_a_server_that_died_between_calls_is_started_again(stage: Stage) -> None:
    """The next call is not in doubt: it is known that nothing was sent to the one that died."""
    stage.client.run([Call("notes.read_notes")], timeout_seconds=SECONDS)
    (former,) = stage.servers()
    former.kill()
    former.wait(SECONDS)
    outcome = stage.client.run([Call("notes.append_note", {"text": "after"})], timeout_seconds=SECONDS)
    assert outcome.status == "SUCCEEDED"
    (server,) = stage.servers()
    assert server.pid != former.pid
    assert stage.lines("after") == 1


def test_a_server_that_dies_in_the_middle_of_calls(stage: Stage) -> None:
    """As with the service: in doubt, again with the same arguments, again."""
    stage.client.run([Call("notes.read_notes")], timeout_seconds=SECONDS)
    calls = [
        Call("notes.append_note", {"text": "broken", "seconds": 4}),
        Call("notes.pin_note", {"text": "whole", "seconds": 4}),
        Call("notes.read_notes", {"seconds": 4}),
    ]
    submitted = stage.client.submit(calls, policy=END)
    wait_until(lambda: stage.lines("broken") == stage.lines("whole") == 1, SECONDS, "both effects")
    stage.await_progress(submitted, 2)
    (server,) = stage.servers()
    server.kill()
    assert ends(submitted) == [("IN_DOUBT", "RAISED"), ("SUCCEEDED", None), ("SUCCEEDED", None)]
    assert (stage.lines("broken"), stage.lines("whole")) == (1, 1)


def test_a_call_that_takes_too_long_is_in_doubt(stage: Stage) -> None:
    """And its connection goes on."""
    submitted = stage.client.submit([Call("notes.append_note", {"text": "long", "seconds": 30})], policy=END)
    assert ends(submitted) == [("IN_DOUBT", "TIMED_OUT")]
    (server,) = stage.servers()
    assert stage.client.run([Call("notes.read_notes")], timeout_seconds=SECONDS).status == "SUCCEEDED"
    assert stage.servers() == [server]
    assert stage.lines("long") == 1


@contextmanager
def web_server(notes: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The server over HTTP, killed at the end."""
    command, environment = [sys.executable, str(SERVER), str(port)], {**os.environ, "NOTES": str(notes)}
    with subprocess.Popen(command, env=environment) as server:
        try:
            own = psutil.Process(server.pid)
            wait_until(lambda: bool(own.net_connections(kind="tcp4")), SECONDS, "it listens")
            yield server
        finally:
            server.kill()


def test_over_http(stage: Stage, tmp_path: Path) -> None:
    """At once and in order; killed in the middle in doubt; not there, nothing was sent, and it is tried again until it is."""
    notes, port, module = tmp_path / "notes.txt", free_port(), tmp_path / "web_tools.py"
    module.write_text(WEB_TOOLS.format(port=port))
    client = stage.client
    calls = [Call("web-notes.append_note", {"text": f"note {at}", "seconds": (4 - at) / 10}) for at in range(4)]
    with web_server(notes, port) as server:
        process = stage.world.tools(str(module), **SHORT)
        outcome = client.run([*calls, Call("web-notes.read_notes")], timeout_seconds=SECONDS)
        assert [one.value for one in outcome.results[:4]] == [{"result": f"appended note {at}"} for at in range(4)]
        assert [count(notes, f"note {at}") for at in range(4)] == [1] * 4

        slow = client.submit([Call("web-notes.append_note", {"text": "slow", "seconds": 4})], policy=END)
        wait_until(lambda: count(notes, "slow") == 1, SECONDS, "the effect")
        server.kill()
        assert ends(slow) == [("IN_DOUBT", "RAISED")]

    nobody = client.submit([Call("web-notes.append_note", {"text": "nobody"})], policy=END)
    assert ends(nobody) == [("FAILED", "NOT_CONNECTED")]
    waiting = client.submit([Call("web-notes.append_note", {"text": "waiting"})], policy=END)
    retrying = "SELECT FROM motet.attempts WHERE plan_id = %s AND next = 'RETRY'"
    wait_until(lambda: bool(stage.world.sql(retrying, (waiting.plan_id,))), SECONDS, "it is tried again")
    with web_server(notes, port):
        assert ends(waiting) == [("SUCCEEDED", None)]
    assert [count(notes, text) for text in ("slow", "nobody", "waiting")] == [1, 0, 1]
    assert process.stop() == 0


def test_a_call_carries_its_key_and_the_server_ends_with_the_process(tmp_path: Path) -> None:
    """In `_meta`, where a server that honours it finds it."""
    server = tmp_path / "carried.py"
    server.write_text(CARRIED)
    assert printed(CALLING, server) == f"{'k' * 64}\n"
    assert [one.pid for one in psutil.process_iter(["cmdline"]) if str(server) in (one.info["cmdline"] or ())] == []


def test_a_tool_that_is_another_by_now_is_not_called(tmp_path: Path) -> None:
    """Its contract says what the server listed once; the others are called."""
    server = tmp_path / "changing.py"
    server.write_text(CHANGING)
    assert printed(CHANGED, server) == (
        "wiped\nTOOL_CHANGED change of the MCP server of toolset changing has other schemas or annotations than when its contract was "
        "made: start the tool service again\n"
    )


def test_a_tool_service_that_is_told_to_end_ends_its_server(stage: Stage) -> None:
    """With the service, and without a complaint."""
    stage.client.run([Call("notes.read_notes")], timeout_seconds=SECONDS)
    (server,) = stage.servers()
    before = len(stage.service.said())
    assert stage.service.stop() == 0
    assert not server.is_running()
    assert "Traceback" not in stage.service.said()[before:]
