"""Tools of any MCP server as a toolset of Motet's: in line with all others, each effect once or in doubt, in the log.

    tools = mcp_toolset(
        "files",
        command=["npx", "-y", "@modelcontextprotocol/server-filesystem", "/srv/files"],
        options={"write_file": McpOptions(writes="file:{path}"), "move_file": McpOptions(approval=True)},
    )

`motet tools serve FILE` with these lines in a file runs them. A tool's contract is what the server lists: its description, its JSON Schemas, and by its
annotations what a crash means.

| annotation | effect class | a crash in the middle of a call |
|---|---|---|
| `readOnlyHint` | pure | it is run again |
| `idempotentHint`, not read only | idempotent | it is run again with the same arguments, which do nothing more a second time |
| anything else: `destructiveHint`, or nothing said | irreversible | it is in doubt until somebody settles it, and never run again by itself |

Annotations are hints of a server that may be wrong, or not to be trusted: then say in `options` what is right. There, too, stands what no server can say:
which resources a tool uses, what undoes it, whether a person must approve it. Without resources all calls run at once. Each call carries
its key in `_meta` ("motet/key"): a tool that honours it is idempotent, whatever its annotations say.

That a call failed, a server says by `isError`, and is taken at its word: ToolFailed says that nothing happened. `motet.adapters.mcp_connection` has a table of
all other ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast

import mcp_types as types

from motet.adapters.mcp_connection import Address, Server
from motet.chassis.errors import ConfigurationError
from motet.tools import Context, EffectName, ToolFailed, Toolset, Unknown
from motet.tools.declaration import Options
from motet.tools.failure import Unclear

TOOL_ERROR: Final = "TOOL_ERROR"
BROKE_OFF: Final = "Error executing tool {}"
ANY_RESULT: Final = {
    "description": "What the server returned: its structured content, or its text, or null, or a list of MCP's content blocks."
}
# Names of the schema itself: it stands in the contract, and its draft is 2020-12 as all schemas' are there.
OF_THE_DOCUMENT: Final = ("$schema", "$id")


class McpOptions(Options, total=False):
    """What may be said of a server's tool: all options of a tool, and its effect class."""

    effect: EffectName


def mcp_toolset(
    name: str,
    *,
    command: Sequence[str] | None = None,
    url: str | None = None,
    environment: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    only: Sequence[str] = (),
    options: Mapping[str, McpOptions] | None = None,
    timeout_seconds: float = 30.0,
) -> Toolset:
    """The toolset of an MCP server: the program `command`, which is started over stdio, or what answers at `url` over streamable HTTP.

    A program gets `environment` beside the few variables that MCP's library passes on (HOME, PATH, …) and none of Motet's. It is asked for its
    tools now, and started anew for the first call. `only` names the tools that are taken, all of them without, and `options` say more of a tool, by the server's
    own names; a name that Motet does not take becomes one that it does: `read-file` is `read_file`. `timeout_seconds` limits a call, half of it for connecting.

    Each process asks the server, and must hear the same: a tool that changed needs another `version` in its options. Raises ConfigurationError if the
    server does not answer, two names become one, a name is not there, or a schema cannot be published: other JSON Schema than of an object, a `$ref`
    to another document.
    """
    if (command is None) == (url is None) or command == [] or url == "":
        raise ConfigurationError(f"toolset {name}: give the MCP server's command or its url, one of them")
    if isinstance(command, str):
        raise ConfigurationError(f"toolset {name}: command {command!r} is one text; write a list: program, arguments")
    server = Server(
        name, Address(tuple(command or ()), url or "", dict(environment or {}), dict(headers or {})), timeout_seconds
    )
    toolset = Toolset(name)
    known = options or {}
    for function_name, tool in chosen(f"toolset {name}", server.listed(), only, known).items():
        add(
            toolset,
            function_name,
            tool,
            calling(server, tool),
            {"timeout_seconds": timeout_seconds, **known.get(tool.name, {})},
        )
    return toolset


def chosen(
    where: str, listed: Iterable[types.Tool], only: Sequence[str], options: Mapping[str, object]
) -> dict[str, types.Tool]:
    """The tools that are taken, by Motet's names of them. Raises ConfigurationError."""
    found = {one.name: one for one in listed}
    missing = sorted({*only, *options} - set(found))
    if missing:
        raise ConfigurationError(
            f"{where}: the MCP server has no tool {', '.join(missing)}; it has {', '.join(sorted(found)) or 'none'}"
        )
    out: dict[str, types.Tool] = {}
    for name in sorted(only or found):
        other = out.setdefault(name_of(name), found[name])
        if other.name != name:
            raise ConfigurationError(
                f"{where}: the MCP server's tools {other.name!r} and {name!r} would both be {name_of(name)}: take one of them, by `only`"
            )
    return out


def add(toolset: Toolset, name: str, tool: types.Tool, function: Callable[..., Any], options: McpOptions) -> None:
    """Adds one tool; `options` come before what the server says."""
    said = {**options}
    effect = cast("EffectName", said.pop("effect", effect_of(tool.annotations)))
    if effect == "transactional":
        raise ConfigurationError(
            f"tool {toolset.name}.{name}: its effect is the MCP server's and no transaction takes it back: it is not transactional"
        )
    said.setdefault("arguments_schema", arguments_schema(tool))
    said.setdefault("result_schema", result_schema(tool))
    if effect == "pure":
        # It left nothing behind, whatever became of it.
        said.setdefault("retry_on", (Unknown,))
    toolset.add(function, effect, name=name, **cast("Options", said))


def calling(server: Server, tool: types.Tool) -> Callable[..., Any]:
    """The tool as a function."""

    def run(context: Context, /, **arguments: Any) -> Any:
        return result_of(tool, server.call(tool, arguments, context), again=context.again)

    run.__doc__ = tool.description or tool.title or ""
    return run


def name_of(name: str) -> str:
    """A tool's name as Motet takes it: letters, digits and underscores, a letter first."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return plain if re.match("[A-Za-z]", plain) else f"tool_{plain}"


def effect_of(annotations: types.ToolAnnotations | None) -> EffectName:
    """The effect class that a tool's annotations speak of; those that say nothing are MCP's defaults, of which none is harmless."""
    if annotations is None:
        return "irreversible"
    if annotations.read_only_hint:
        return "pure"
    return "idempotent" if annotations.idempotent_hint else "irreversible"


def arguments_schema(tool: types.Tool) -> dict[str, Any]:
    """The schema of a tool's arguments as a contract has it."""
    return {"type": "object", **without_document(tool.input_schema)}


def result_schema(tool: types.Tool) -> dict[str, Any]:
    """The schema of a tool's result as a contract has it."""
    return ANY_RESULT if tool.output_schema is None else without_document(tool.output_schema)


def without_document(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema that is part of something else."""
    return {name: value for name, value in schema.items() if name not in OF_THE_DOCUMENT}


def result_of(tool: types.Tool, result: types.CallToolResult, *, again: bool = False) -> Any:
    """What a server returned, as JSON. Raises ToolFailed if it says that the call failed, Unclear if its tool only broke off."""
    if result.is_error:
        texts = [one.text for one in result.content if isinstance(one, types.TextContent)]
        # The library's own words for whatever a tool's function raised, before or behind its effect. And MCP's idempotent tools do nothing
        # more a second time, but may well say that there was nothing to do: behind a process that died that is no word of the first time.
        if again or texts == [BROKE_OFF.format(tool.name)]:
            raise Unclear("\n".join(texts) or tool.name, TOOL_ERROR)
        raise ToolFailed("\n".join(texts) or f"{tool.name} failed, and does not say why", TOOL_ERROR)
    if tool.output_schema is not None or result.structured_content is not None:
        return result.structured_content
    match result.content:
        case []:
            return None
        case [types.TextContent(text=text)]:
            return text
        case blocks:
            return [one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in blocks]
