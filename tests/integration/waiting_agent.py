"""An agent that asks somebody who never answers; its conversations have a second."""

from __future__ import annotations

from typing import Any

from motet import Agent, AgentLimits, Ask, Decision, Message

waiter = Agent("waiter", state=dict, limits=AgentLimits(seconds=1.0))


@waiter.on_message
def asked(state: dict[str, Any], message: Message) -> Decision:
    """Asks a person, and goes on waiting."""
    return state, Ask("nobody", message.content)
