"""Talking with agents: a message to one, and what it answers, from the events."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import OFFSET_BEGINNING

from motet.chassis.canonical import NotCanonical, canonical_json, sha256_text
from motet.chassis.errors import ConfigurationError, MotetError
from motet.client.events import EventsUnavailable, Tail
from motet.records import AgentEvent, AgentStepped, MessageRefused, MessageRepeated, Reason, SendMessage

if TYPE_CHECKING:
    from motet.client.client import Client

AGENTS: Final = "motet.agents"


class NoAnswer(MotetError):
    """The agent did not answer in time. The message is in the log: the same key later tells what came of it."""


class NotHeard(MotetError):
    """The agent refused the message, which changed nothing; `reasons` say why."""

    def __init__(self, agent: str, reasons: tuple[Reason, ...]) -> None:
        self.reasons = reasons
        super().__init__(
            f"agent {agent} refused the message: {'; '.join(f'{one.code}: {one.message}' for one in reasons)}"
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What an agent answered. `said` are JSON values in order: what it said to people since it decided about the message, whomever it named.

    `outcome` is GOES_ON, DONE, FAILED or LIMIT_REACHED; `result` is what came of it if it is done, `error` why it ended otherwise.
    """

    conversation: str
    said: tuple[Any, ...] = ()
    outcome: str = "GOES_ON"
    result: Any = None
    error: str | None = None


@dataclass(slots=True)
class Hearing:
    """Follows one conversation until it has an answer for a message."""

    tenant: str
    domain: str
    agent: str
    conversation: str
    said: list[Any] = field(default_factory=list)
    # The event by which the message was taken, and whether the agent has decided about it: what was said before is no answer to it.
    taken: str = ""
    decided: bool = False

    def take(self, record: AgentEvent) -> Answer | None:
        """The answer, if this event has it."""
        meta = record.meta
        place = meta.tenant, meta.domain, record.agent, record.conversation
        if place != (self.tenant, self.domain, self.agent, self.conversation) or not isinstance(record, AgentStepped):
            return None
        self.decided = self.decided or (self.taken != "" and meta.causation_id == self.taken)
        if not self.decided:
            return None
        self.said += [json.loads(one.content) for one in record.sent if one.conversation is None]
        if not self.said and record.outcome == "GOES_ON":
            return None
        result = None if record.result is None else json.loads(record.result)
        error = None if record.error is None else f"{record.error.code}: {record.error.message}"
        return Answer(self.conversation, tuple(self.said), record.outcome, result, error)


def tell(
    client: Client,
    agent: str,
    content: Any,
    *,
    conversation: str | None = None,
    key: str | None = None,
    sender: str | None = None,
    timeout_seconds: float | None = 60.0,
) -> Answer:
    """Tells an agent something and waits until it has decided about it and says something to people, or ends the conversation.

    Without a conversation it begins a new one, which follows from the key if there is one. The same key with the same content is told what came
    of it the first time. With `timeout_seconds` None it only sends. Where several messages of one conversation are under way, what is said next
    may be about an earlier one. Raises NotHeard, NoAnswer, SubmitFailed; ConfigurationError if there is no such agent.
    """
    try:
        text = canonical_json(content)
    except NotCanonical as error:
        raise ConfigurationError(f"the content is no JSON: {error}") from error
    name = conversation or (uuid.uuid4().hex if key is None else sha256_text(key)[:32])
    message = SendMessage(
        idempotency_key=key or uuid.uuid4().hex,
        tenant=client.tenant,
        domain=client.domain,
        to=agent,
        conversation=name,
        sender=sender or client.agent,
        content=text,
    )
    topic = door_of(client, agent)
    if timeout_seconds is None:
        client.put(topic, message)
        return Answer(name)
    hearing = Hearing(client.tenant, client.domain, agent, name)
    until = time.monotonic() + timeout_seconds
    tail = Tail(client.bootstrap, AGENTS)
    try:
        place = client.put(topic, message)
        for record in records(client, tail, until):
            if record.meta.causation_id == place:
                if isinstance(record, MessageRefused):
                    raise NotHeard(agent, record.reasons)
                if isinstance(record, MessageRepeated):
                    return heard_before(client, hearing, record, int(place.split(":")[1]), until)
                hearing.taken = record.meta.event_id
            answer = hearing.take(record)
            if answer is not None:
                return answer
    finally:
        tail.close()
    raise NoAnswer(
        f"agent {agent} said nothing in conversation {name} within {timeout_seconds:g} s: `motet agents show {agent} {name}` shows how far it is, "
        f"`motet status` whether its service agent-{agent} runs"
    )


def door_of(client: Client, agent: str) -> str:
    """An agent's door. Raises ConfigurationError if there is none: a producer would wait for it until its time is over."""
    topic = f"motet.messages.{agent}"
    try:
        Tail(client.bootstrap, topic).close()
    except EventsUnavailable as error:
        if "does not exist" not in str(error):
            raise
        raise ConfigurationError(
            f"there is no agent {agent!r}: none of that name was ever served here (`motet agents serve MODULE`, `motet agents list`)"
        ) from error
    return topic


def heard_before(client: Client, hearing: Hearing, repeated: MessageRepeated, partition: int, until: float) -> Answer:
    """What came of a message that was sent before: everything of it stands in the partition of its domain."""
    tail = Tail(client.bootstrap, AGENTS, start=(partition, OFFSET_BEGINNING))
    try:
        for record in records(client, tail, until):
            if record.meta.event_id == repeated.event_id:
                if isinstance(record, MessageRefused):
                    raise NotHeard(hearing.agent, record.reasons)
                hearing.taken = record.meta.event_id
            answer = hearing.take(record)
            if answer is not None:
                return answer
    finally:
        tail.close()
    raise NoAnswer(
        f"agent {hearing.agent} was told that before, and no answer in conversation {hearing.conversation} was found in time: "
        f"`motet agents show {hearing.agent} {hearing.conversation}` has it, or wait longer"
    )


def records(client: Client, tail: Tail, until: float) -> Iterator[AgentEvent]:
    """The events of agents, as they come, until a time of the monotonic clock."""
    for batch in tail.batches(lambda: time.monotonic() > until, follow=True):
        for message in batch:
            record = client.read(message)
            if isinstance(record, AgentEvent):
                yield record
