"""An agent with MCP's library alone: it calls a list of tools one after another, and begins anew when it is run again.

python mcp_agent.py SERVER '[["append-note", {"text": "a"}]]'
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from mcp import Client, StdioServerParameters


async def work(server: str, calls: list[tuple[str, dict[str, object]]]) -> None:
    """The calls of one answer of a model."""
    started = StdioServerParameters(command=sys.executable, args=[server], env={"NOTES": os.environ["NOTES"]})
    async with Client(started) as client:
        for name, arguments in calls:
            await client.call_tool(name, arguments)


asyncio.run(work(sys.argv[1], json.loads(sys.argv[2])))
