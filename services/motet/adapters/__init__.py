"""Motet where agents are built already: each adapter takes the tool calls of a model's answer and runs them as one plan.

`turn` is what they share: the tools as a model sees them, and the calls of an answer as a plan in the order in which the model wrote them.
`together` is for frameworks that call tools one by one. The other modules need their framework, which is not installed with Motet: `langgraph` (in place of
ToolNode), `pydantic_ai` (a toolset), `openai_agents` (function tools, and hooks of the run), `mcp` (tools for any MCP client), `mcp_tools` (the tools of any MCP server).
"""

from motet.adapters.together import Together
from motet.adapters.turn import Answered, Asked, Offered, TurnRefused, Turns, offered, schemas

__all__ = ["Answered", "Asked", "Offered", "Together", "TurnRefused", "Turns", "offered", "schemas"]
