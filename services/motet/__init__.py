"""Motet: parallel tool calls for AI agents with one history, one state, and every effect once.

`Client` submits plans, `Call` is one tool call, `Toolset` offers your functions as tools.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from motet.client import Call, Client, Outcome
    from motet.tools import Context, ToolFailed, Toolset

__all__ = ["Call", "Client", "Context", "Outcome", "ToolFailed", "Toolset"]


def __getattr__(name: str) -> Any:
    """Loads the client or the tools when they are asked for: a service needs only its own part."""
    if name in ("Call", "Client", "Outcome"):
        from motet import client  # noqa: PLC0415

        return getattr(client, name)
    if name in ("Context", "ToolFailed", "Toolset"):
        from motet import tools  # noqa: PLC0415

        return getattr(tools, name)
    raise AttributeError(f"module 'motet' has no attribute {name!r}")
