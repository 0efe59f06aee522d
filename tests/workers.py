"""In how many processes the suite runs, and in which order these are given its files.

Each process has servers of its own. On one platform a service is there once: its groups, schemas and shards have its name, and tests
kill it, pause it, and look at all of its lag. Two files side by side on one platform would take each other's shards; on two they cannot
meet, and a platform costs a few seconds and 1 GB. Servers that are given, and Docker's with their fixed ports, are there once: then one
process runs everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import servers

# They wait for most of their time (for starts, session time-outs, deadlines): one more than there are cores to run them well.
WORKERS: Final = 3
# What takes longest is begun first, so that no process is left alone with it in the end.
FIRST: Final = (
    "test_quick_profile.py",
    "test_prove.py",
    "test_mcp_tools.py",
    "test_new_project.py",
    "test_agents.py",
    "test_pytest_plugin.py",
    "test_ends.py",
    "test_crashes.py",
    "test_commands.py",
    "test_tool_host.py",
    "test_platform.py",
    "test_shards.py",
    "test_keys.py",
    "test_dead_letters.py",
    "test_clocks.py",
)


class ServersAreShared(Exception):
    """Several processes would use the same servers."""


def number(environment: Mapping[str, str], *, whole: bool) -> int:
    """How many processes `-n auto` is; 0 is this one alone. A selection is soon done, and does not wait for others to start."""
    return WORKERS if whole and not servers.are_there(environment) else 0


def check(processes: int | None, environment: Mapping[str, str]) -> None:
    """Raises ServersAreShared."""
    if processes and servers.are_there(environment):
        raise ServersAreShared(
            f"-n {processes}: each process starts servers of its own, and there are some already "
            f"({', '.join(servers.NAMED)} are set, or Docker answers): leave -n out"
        )


def place(path: Path) -> int:
    """Where a file stands in the order: the slowest, those that start processes, those that take seconds."""
    if path.name in FIRST:
        return FIRST.index(path.name)
    return len(FIRST) + (path.parent.name != "integration")
