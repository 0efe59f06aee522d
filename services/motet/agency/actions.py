"""What an agent may decide to do. None of these does anything: the service makes them durable, and then they happen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from motet.client.plans import Call, Mode, PlanLeases
from motet.client.policy import Policy


@dataclass(frozen=True, slots=True)
class Plan:
    """Calls to be made as one plan. `label` is what its end is heard by; the rest is as `Client.submit` has it.

    Its key follows from conversation and step: it is one plan, whatever crashes and repeats.
    """

    label: str
    calls: Sequence[Call]
    policy: Policy | None = None
    mode: Mode = "orchestrated"
    isolation: Literal["plan", "call"] = "plan"
    leases: PlanLeases | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """Tells another agent, one of those that the agent declares in `tells`. It answers to this conversation.

    `conversation` is the one there; without it, one of its own for each step and place, so that two `Send`s are two conversations.
    """

    to: str
    content: Any
    conversation: str | None = None


@dataclass(frozen=True, slots=True)
class Say:
    """Says something to whoever began the conversation: a person reads it in the events, an agent hears it as a message."""

    content: Any


@dataclass(frozen=True, slots=True)
class Ask:
    """Asks a person by name, who reads it in the events and answers with a message (`motet agents tell`)."""

    person: str
    content: Any


@dataclass(frozen=True, slots=True)
class Done:
    """Ends the conversation. An agent that began it hears `result` as a message, unless it was told just that, or something in place of None."""

    result: Any = None


@dataclass(frozen=True, slots=True)
class Fail:
    """Ends the conversation without a result. An agent that began it hears `{"error": {"code", "message"}}`."""

    code: str
    message: str


Action = Plan | Send | Say | Ask | Done | Fail
