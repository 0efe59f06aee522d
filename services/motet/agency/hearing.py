"""What an agent hears: messages, and the ends of its plans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from motet.client.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Message:
    """Something that the agent was told. `content` is a JSON value; `at` is Kafka's time of it, in milliseconds since 1970.

    `reply_to` is the sender's own conversation if the sender is an agent: with it the answers of several are told apart.
    """

    sender: str
    content: Any
    conversation: str
    at: int
    reply_to: str | None = None


@dataclass(frozen=True, slots=True)
class PlanDone:
    """A plan ended, or was refused (`outcome.status` is REJECTED then). `label` is the one that it was asked for by."""

    label: str
    outcome: Outcome
    conversation: str
    at: int


Heard = Message | PlanDone
