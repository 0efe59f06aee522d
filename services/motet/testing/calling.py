"""One tool as a function: from a mapping to what the caller of a plan would read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg

from motet.chassis.errors import ConfigurationError
from motet.tools.context import Context
from motet.tools.tool import Tool
from motet.tools.toolset import Toolset


def call(
    toolset: Toolset,
    tool: str,
    arguments: Mapping[str, Any] | None = None,
    connection: psycopg.Connection[Any] | None = None,
    *,
    version: int | None = None,
    **context: Any,
) -> Any:
    """The JSON value that a tool returns for arguments, held to both of its schemas.

    The tool is named in full or without its toolset; without a `version` it is the newest. A transactional tool needs a `connection`, and
    `context` is what `Context.for_testing` takes (`key`, `attempt`, `tenant`, `running` and others). What the tool raises passes as it is.
    """
    return found(toolset, tool, version).call(arguments or {}, Context.for_testing(connection, **context))


def found(toolset: Toolset, name: str, version: int | None = None) -> Tool:
    """A tool by its name. Raises ConfigurationError, with those that are there."""
    full = name if "." in name else f"{toolset.name}.{name}"
    versions = {one.version: one for one in toolset.tools if one.name == full}
    tool = versions.get(max(versions, default=0) if version is None else version)
    if tool is None:
        have = ", ".join(f"{one.name} version {one.version}" for one in toolset.tools) or "none"
        wanted = full if version is None else f"{full} version {version}"
        raise ConfigurationError(f"toolset {toolset.name} has no tool {wanted}; it has: {have}")
    return tool
