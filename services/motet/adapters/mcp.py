"""Model Context Protocol: Motet's tools for any MCP client, over stdio or streamable HTTP (`motet mcp`).

Each `tools/call` is a plan of one call: in line with everybody else's, once, in the log. A client that may ask again (it timed out, its connection
broke, this process died) names the call by a key of its own in the request's `_meta`, and gets the first end instead of a second effect:

    await session.call_tool("bank__pay", {"account": "1", "amount": 5}, meta={"motet/key": "invoice-17"})

What a client may think of a tool follows from its effect class: `pure` is read only; `irreversible` is destructive. `idempotentHint` is said of pure
tools alone: in MCP it means that the same arguments do nothing more a second time, and Motet's keys are of calls, not of arguments.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import Any, Final

import mcp_types as types
from mcp.server import Server, ServerRequestContext

from motet.adapters.turn import Answered, Asked, Offered, Turns
from motet.client import Client, PlanTimeout

KEY: Final = "motet/key"
LONGEST_KEY: Final = 200


def server(client: Client, tools: Sequence[Offered], *, conversation: str = "mcp", **options: Any) -> Server[Any]:
    """An MCP server of tools. Keys hold within `conversation`; `options` are those of `Turns`: policy, mode, timeout_seconds."""
    turns = Turns(client, tools, **options)

    async def list_tools(
        context: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        del context, params
        return types.ListToolsResult(tools=[described(one) for one in tools])

    async def call_tool(
        context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        key = (context.meta or {}).get(KEY)
        if key is not None and (not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY):
            return failed(f"{KEY} in _meta is {str(key)[:80]!r}; it is a text of 1 to {LONGEST_KEY} characters")
        asked = Asked(key or uuid.uuid4().hex, params.name, params.arguments or {})
        try:
            (answer,) = await turns.run_async([asked], "mcp", conversation)
        except PlanTimeout as error:
            return failed(f"{error}; call it again with the same {KEY} to hear how it ended")
        return told(answer)

    return Server("motet", on_list_tools=list_tools, on_call_tool=call_tool)


def described(one: Offered) -> types.Tool:
    """A tool as an MCP client sees it."""
    pure = one.effect == "PURE"
    hints = types.ToolAnnotations(
        read_only_hint=pure,
        idempotent_hint=pure,
        destructive_hint=True if one.effect == "IRREVERSIBLE" else False if pure else None,
    )
    return types.Tool(
        name=one.name, title=one.tool, description=one.description, input_schema=dict(one.parameters), annotations=hints
    )


def told(answer: Answered) -> types.CallToolResult:
    """An answer as MCP has it; what failed is an error that the model reads, and no fault of the protocol."""
    value = json.loads(answer.text)
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=answer.text)],
        structured_content=value if isinstance(value, dict) else None,
        is_error=not answer.succeeded,
    )


def failed(message: str) -> types.CallToolResult:
    """A call of which nothing is known, or that was not asked for as it should be."""
    return types.CallToolResult(content=[types.TextContent(type="text", text=message)], is_error=True)
