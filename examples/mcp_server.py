"""A small MCP server that knows nothing of Motet: notes, a line each, in the file that NOTES names.

    NOTES=notes.txt python examples/mcp_server.py           # over stdio: its client starts it so
    NOTES=notes.txt python examples/mcp_server.py 8801      # over HTTP, http://127.0.0.1:8801/mcp

Each tool says by its annotations what it means to call it twice. With `seconds` a call takes so long, its effect coming first.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

FILE = Path(os.environ.get("NOTES", "notes.txt"))
server = MCPServer("notes", log_level="WARNING")


def lines() -> list[str]:
    """The notes that are there."""
    return FILE.read_text().splitlines() if FILE.exists() else []


def add(text: str) -> None:
    """One line more."""
    with FILE.open("a") as file:
        file.write(f"{text}\n")


@server.tool(name="read-notes", annotations=ToolAnnotations(read_only_hint=True))
async def read_notes(context: Context, seconds: float = 0) -> list[str]:
    """Returns all notes."""
    await context.report_progress(0, 1, "reading")
    await asyncio.sleep(seconds)
    return lines()


@server.tool(name="pin-note", annotations=ToolAnnotations(idempotent_hint=True, destructive_hint=False))
async def pin_note(text: str, seconds: float = 0) -> str:
    """Writes a note, unless it is there."""
    if text not in lines():
        add(text)
    await asyncio.sleep(seconds)
    return f"pinned {text}"


@server.tool(name="append-note", annotations=ToolAnnotations(destructive_hint=True))
async def append_note(text: str, seconds: float = 0) -> str:
    """Writes a note, once more at each call."""
    add(text)
    await asyncio.sleep(seconds)
    return f"appended {text}"


@server.tool(name="refuse-note")
async def refuse_note(text: str) -> str:
    """Says nothing of what a second call means, and fails."""
    raise ToolError(f"{text} is no note")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", port=int(sys.argv[1]))
    else:
        server.run()
