"""Motet: parallel tool calls for AI agents with one history, one state, and every effect once.

`Client` submits plans, `Call` is one tool call, `Toolset` offers your functions as tools, `Agent` decides what comes next.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from motet.agency import Agent, AgentLimits, Ask, Decision, Done, Fail, Message, Plan, PlanDone, Say, Send
    from motet.client import Budget, Call, Client, Outcome, PlanFailed, Policy, gather
    from motet.personal import Personal
    from motet.tools import Context, ToolFailed, Toolset, TryAgain

AGENCY = ("Agent", "AgentLimits", "Ask", "Decision", "Done", "Fail", "Message", "Plan", "PlanDone", "Say", "Send")

__all__ = [
    "Agent",
    "AgentLimits",
    "Ask",
    "Budget",
    "Call",
    "Client",
    "Context",
    "Decision",
    "Done",
    "Fail",
    "Message",
    "Outcome",
    "Personal",
    "Plan",
    "PlanDone",
    "PlanFailed",
    "Policy",
    "Say",
    "Send",
    "ToolFailed",
    "Toolset",
    "TryAgain",
    "gather",
]


def __getattr__(name: str) -> Any:
    """Loads the client or the tools when they are asked for: a service needs only its own part."""
    if name in ("Budget", "Call", "Client", "Outcome", "PlanFailed", "Policy", "gather"):
        from motet import client  # noqa: PLC0415

        return getattr(client, name)
    if name in ("Context", "ToolFailed", "Toolset", "TryAgain"):
        from motet import tools  # noqa: PLC0415

        return getattr(tools, name)
    if name in AGENCY:
        from motet import agency  # noqa: PLC0415

        return getattr(agency, name)
    if name == "Personal":
        from motet.personal import Personal  # noqa: PLC0415

        return Personal
    raise AttributeError(f"module 'motet' has no attribute {name!r}")
