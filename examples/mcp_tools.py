"""The tools of an MCP server as a toolset; Motet starts the server. `motet tools serve examples/mcp_tools.py`."""

import os
import sys
from pathlib import Path

from motet.adapters.mcp_tools import mcp_toolset

tools = mcp_toolset(
    "notes",
    command=[sys.executable, str(Path(__file__).with_name("mcp_server.py"))],
    environment={"NOTES": os.environ.get("NOTES", "notes.txt")},
    timeout_seconds=15,
)
