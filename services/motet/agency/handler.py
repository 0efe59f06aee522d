"""One shard of an agent: what it hears, and what comes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from motet.agency import stepping
from motet.agency.agent import Agent
from motet.agency.conversation import Conversation
from motet.agency.hearing import Heard, Message, PlanDone
from motet.agency.rows import Conversations, Known, Place
from motet.agency.stepping import MESSAGE_LENGTH
from motet.agency.telling import AGENTS, COMMANDS, Telling, door_of
from motet.chassis import code_version
from motet.chassis.answered import Answered
from motet.chassis.canonical import canonical_json
from motet.chassis.cleaning import cleaning
from motet.chassis.hop import Hop
from motet.chassis.repairs import REPAIRS
from motet.chassis.service import Inert, Input, Opening, Received, Service
from motet.chassis.settings import Settings
from motet.client.outcome import outcome_of
from motet.plan.admission import identifier_fault
from motet.plan.identity import command_digest, key_digest
from motet.plan.limits import Limits
from motet.plan.spending import DIMENSIONS
from motet.plan.text import carriable
from motet.records import (
    Amounts,
    BudgetChanged,
    ConversationDue,
    MessageRepeated,
    MessageTaken,
    PlanEnded,
    PlanRejected,
    Reason,
    SendMessage,
    StepTrigger,
)

EVENTS: Final = "motet.events"
TIMERS: Final = "motet.agent-timers"
MILLISECONDS: Final = 1_000
# So often it is looked whose time is over, and of so many it is said at once.
LOOK_MS: Final = 500
DUE_AT_ONCE: Final = 500
# What an agent that asked must hear of, because no answer will come otherwise.
UNREADABLE: Final = ("TOO_LARGE", "NOT_JSON")


def service(agent: Agent[Any], settings: Settings) -> Service:
    """The service of an agent. Ends of plans are taken before messages."""
    agent.check()
    door = door_of(agent.name)
    return Service(
        name=f"agent-{agent.name}",
        # Of what plans consist an agent makes nothing: it waits for their ends.
        inputs=(
            Input(TIMERS, rank=0, ordered=False),
            Input(EVENTS, rank=0, without=("calls",)),
            Input(door, rank=1, door=True),
            Input(REPAIRS, rank=2),
        ),
        outputs=(AGENTS, COMMANDS, TIMERS, door, *map(door_of, agent.tells), "motet.merges", "motet.dead-letters"),
        open=lambda opening: Shard(agent, settings.command_window_seconds, opening),
        schema=f"agent_{agent.name.replace('-', '_')}",
        migrations=(Path(__file__).parent / "migrations",),
        journal=True,
        code=f"{agent.name}+{code_version.digest(agent.sources())}{agent.fingerprint}",
        jobs=(cleaning("clean-agent-messages", settings.command_window_seconds),),
        # It reads everybody's events, and journals each batch.
        gather_seconds=0.02,
    )


class Shard(Inert):
    """The conversations of a shard. What a batch is about is read from rows, and kept nowhere else."""

    def __init__(self, agent: Agent[Any], window_seconds: float, opening: Opening) -> None:
        self.agent = agent
        self.opening = opening
        self.limits = Limits()
        self.commands = Answered(Known, opening.connection, opening.partition, window_seconds)
        self.conversations = Conversations(opening)
        self.telling = Telling(agent, self.conversations, self.limits)
        # Conversations whose time is over: those to say it of, and those of which it is on its way back.
        self.due: list[tuple[Place, int]] = []
        self.fired: set[Place] = set()
        self.looked_at = 0

    # -- time --------------------------------------------------------------------------------------------------------------

    def ready(self) -> bool:
        """Whether a conversation is due that is not on its way. Rows are looked at now and then."""
        now = self.opening.clock.now()
        if not self.due and now - self.looked_at >= LOOK_MS:
            self.looked_at = now
            self.due = self.conversations.due(now, self.fired, DUE_AT_ONCE)
        return bool(self.due)

    def fire(self, hop: Hop) -> None:
        """Time becomes a record: what follows is decided when it comes back, at the time that Kafka gave it."""
        due, self.due = self.due, []
        hop.exogenous = True
        for (tenant, domain, name), at in due:
            self.fired.add((tenant, domain, name))
            shard = f"{self.opening.service}/{self.opening.partition}"
            meta = hop.meta(shard, hop.wall_ms(), tenant, domain, shard, None)
            hop.emit(TIMERS, ConversationDue(meta, self.agent.name, name, at))
        hop.exogenous = False

    # -- inputs ------------------------------------------------------------------------------------------------------------

    def handle(self, batch: Sequence[Received], hop: Hop) -> None:
        """Decides about the records in order, then writes what changed in few statements."""
        self.load(batch)
        for received in batch:
            self.take(received, hop)
        self.fire(hop)
        with self.opening.connection.pipeline():
            self.commands.write()
            self.conversations.save()

    def load(self, batch: Sequence[Received]) -> None:
        """Reads the rows of a batch."""
        told = [one.record for one in batch if isinstance(one.record, SendMessage)]
        self.commands.load(map(key_of, told))
        due = [one.record for one in batch if self.is_due(one.record)]
        self.conversations.load(
            [
                *((one.tenant, one.domain, one.conversation) for one in told),
                *((one.meta.tenant, one.meta.domain, one.conversation) for one in due),
            ],
            # An agent's own budget is no plan's.
            [plan_id for one in batch if self.is_about_ours(one.record) and (plan_id := one.record.plan_id)],
        )

    def is_about_ours(self, record: object) -> bool:
        """Whether an event may be about one of the agent's plans: anybody may have named an agent alike."""
        return isinstance(record, PlanEnded | PlanRejected | BudgetChanged) and record.agent == self.agent.name

    def is_due(self, record: object) -> bool:
        """Whether a record says that the time of a conversation of ours is over."""
        return isinstance(record, ConversationDue) and record.agent == self.agent.name

    def take(self, received: Received, hop: Hop) -> None:
        """One record."""
        record = received.record
        if self.is_due(record):
            self.over(record, received, hop)
        elif isinstance(record, SendMessage):
            self.hear(record, received, hop)
        elif isinstance(record, PlanEnded | PlanRejected) and self.is_about_ours(record):
            self.ended(record, received, hop)
        elif isinstance(record, BudgetChanged) and self.is_about_ours(record):
            self.counted(record)

    def hear(self, message: SendMessage, received: Received, hop: Hop) -> None:
        """A message: taken, and decided about, or answered otherwise."""
        key, now, content = key_of(message), received.timestamp_ms, command_digest(message)
        known = self.commands.find(key, now)
        if known is not None and known.command_sha256 == content:
            names = (
                self.agent.name,
                self.telling.short(message.conversation),
                self.telling.short(message.idempotency_key),
            )
            self.telling.say(hop, MessageRepeated(self.telling.meta(message, received, hop), *names, known.event_id))
            return
        place = message.tenant, message.domain, message.conversation
        there = self.conversations.find(place)
        reasons = tuple(self.faults(message, there, reused=known is not None))
        if reasons:
            event_id = self.telling.refuse(message, reasons, received, hop)
            if known is None:
                self.commands.put(key, Known(content, event_id, now))
            if there is not None and there.outcome == "GOES_ON" and message.answer and reasons[0].code in UNREADABLE:
                # Whoever asked waits for this, and would for ever.
                told = {"error": {"code": reasons[0].code, "message": reasons[0].message}}
                heard = Message(message.sender, told, message.conversation, now, message.reply_to)
                self.step(there, heard, "MESSAGE", event_id, now, hop)
            return
        meta = self.telling.meta(message, received, hop)
        begins = there is None
        if there is None:
            there = Conversation(
                *(*place, self.agent.first, message.sender, message.reply_to, meta.correlation_id),
                *(now + int(self.agent.limits.seconds * MILLISECONDS), meta.traceparent),
            )
        self.telling.say(
            hop,
            MessageTaken(
                *(meta, self.agent.name, message.conversation, begins, message.idempotency_key, message.sender),
                *(message.reply_to, message.content, message.caused_by),
            ),
        )
        self.commands.put(key, Known(content, meta.event_id, now))
        heard = Message(message.sender, json.loads(message.content), message.conversation, now, message.reply_to)
        self.step(there, heard, "MESSAGE", meta.event_id, now, hop)

    def faults(self, message: SendMessage, there: Conversation | None, *, reused: bool) -> Iterator[Reason]:
        """Everything for which a message is refused."""
        if reused:
            yield Reason("KEY_REUSED", "the key was used with other content; something new needs a new key", None)
        if message.to != self.agent.name:
            yield Reason("MISADDRESSED", f"it is for {message.to!r}, and this is the door of {self.agent.name!r}", None)
        for name in ("conversation", "sender", "idempotency_key", "reply_to", "caused_by"):
            value = getattr(message, name)
            fault = None if value is None else identifier_fault(value, self.limits)
            if fault is not None:
                yield Reason("BAD_IDENTIFIER", f"{name} {fault}", None)
        if message.reply_to is not None and message.sender not in self.agent.tells:
            # Its door may not be there, and what is put on the way to no topic never arrives.
            know = ", ".join(self.agent.tells) or "none"
            yield Reason(
                "UNKNOWN_AGENT", f"{message.sender!r} wants an answer at its door, and this agent tells {know}", None
            )
        size = len(message.content.encode())
        if size > self.agent.limits.content_bytes:
            limit = self.agent.limits.content_bytes
            yield Reason("TOO_LARGE", f"the content has {size} bytes; the limit is {limit} (content_bytes)", None)
        else:
            yield from no_json(message.content)
        if there is not None and there.outcome != "GOES_ON":
            yield Reason(
                "CONVERSATION_ENDED", f"conversation {there.name!r} ended {there.outcome}: begin another", None
            )

    def ended(self, record: PlanEnded | PlanRejected, received: Received, hop: Hop) -> None:
        """A plan of ours ended."""
        there = self.conversations.of_plan(record.plan_id)
        self.conversations.end([record.plan_id])
        if there is None or there.outcome != "GOES_ON":
            return
        plan = there.open.pop(record.plan_id)
        # What is reserved yet is for calls that linger, of which nobody tells any more.
        there.spent = total(there.spent, total(plan.spent, plan.reserved))
        outcome = outcome_of(record)
        if outcome is None:
            raise RuntimeError(f"a {record.FULL_NAME} says no outcome")
        trigger: StepTrigger = "PLAN_ENDED" if isinstance(record, PlanEnded) else "PLAN_REJECTED"
        heard = PlanDone(plan.label, outcome, there.name, received.timestamp_ms)
        self.step(there, heard, trigger, received.cause, received.timestamp_ms, hop)

    def over(self, record: ConversationDue, received: Received, hop: Hop) -> None:
        """A conversation's time is over, unless it ended before."""
        place = record.meta.tenant, record.meta.domain, record.conversation
        self.fired.discard(place)
        there = self.conversations.find(place)
        if there is not None and there.outcome == "GOES_ON" and there.due_at <= received.timestamp_ms:
            made = stepping.out_of_time(self.agent, there)
            self.telling.step(there, made, ("TIME", None), received.cause, received.timestamp_ms, hop)

    def counted(self, record: BudgetChanged) -> None:
        """What a plan of ours has taken up to here."""
        there = self.conversations.of_plan(record.plan_id or "")
        if there is not None and record.plan_id in there.open:
            there.open[record.plan_id].spent, there.open[record.plan_id].reserved = record.spent, record.reserved
            self.conversations.put(there)

    # -- what comes of it --------------------------------------------------------------------------------------------------

    def step(self, there: Conversation, heard: Heard, trigger: StepTrigger, cause: str, now: int, hop: Hop) -> None:
        """The agent decides."""
        made = stepping.step(self.agent, there, heard)
        label = heard.label if isinstance(heard, PlanDone) else None
        self.telling.step(there, made, (trigger, label), cause, now, hop)

    def give_up(self, received: Received, reason: str, hop: Hop) -> bool:
        """A message that cannot be handled is refused; anything else is the chassis's to keep."""
        if not isinstance(received.record, SendMessage):
            return False
        self.telling.refuse(received.record, (Reason("HANDLING_FAILED", reason[:2_000], None),), received, hop)
        return True


def key_of(message: SendMessage) -> str:
    """The digest of the key under which a message was sent."""
    return key_digest(message.tenant, message.domain, message.idempotency_key)


def no_json(content: str) -> Iterator[Reason]:
    """What is wrong with a content that should be JSON as everybody reads it: no NaN, no half characters, no number that is none to others."""
    try:
        canonical_json(json.loads(content))
    except (ValueError, RecursionError) as error:
        yield Reason("NOT_JSON", carriable(f"the content is no JSON: {error}", MESSAGE_LENGTH), None)


def total(one: Amounts, other: Amounts) -> Amounts:
    """Two amounts together; what neither counts is not counted."""
    found = {}
    for name in DIMENSIONS:
        values = [value for amounts in (one, other) if (value := getattr(amounts, name)) is not None]
        found[name] = sum(values) if values else None
    return Amounts(**found)
