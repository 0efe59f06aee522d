"""One call of a tool's function by the name and version that an invocation gives."""

from __future__ import annotations

from typing import Final

from motet.records import Invocation
from motet.tools.context import Context
from motet.tools.event_loop import EventLoopThread
from motet.tools.failure import ToolFailed, Unclear
from motet.tools.toolset import Toolset

RESULT_BYTES: Final = 262_144


def call_tool(toolset: Toolset, call: Invocation, context: Context, loop: EventLoopThread | None) -> str | None:
    """Runs a call, or asks about it; the result as canonical JSON, None if it did not happen. What the tool raises goes through."""
    tool = toolset.find(call.tool, call.contract_version)
    if tool is None:
        raise ToolFailed(f"{call.tool} version {call.contract_version} is not served any more", "NOT_SERVED")
    if call.mode == "RECONCILE":
        text = tool.reconcile(call.arguments, context, loop)
    else:
        text = tool.run(call.arguments, context, loop)
    size = 0 if text is None else len(text.encode())
    if size > RESULT_BYTES:
        raise Unclear(f"a result of {size} bytes; the limit is {RESULT_BYTES}", "RESULT_TOO_LARGE")
    return text
