"""One shard of an agent: what it hears, and what comes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from motet.agency import stepping
from motet.agency.agent import Agent
from motet.agency.conversation import Conversation, OpenPlan
from motet.agency.hearing import Heard, Message, PlanDone
from motet.agency.rows import Conversations, Known
from motet.agency.stepping import MESSAGE_LENGTH
from motet.chassis import code_version
from motet.chassis.answered import Answered
from motet.chassis.canonical import canonical_json
from motet.chassis.cleaning import cleaning
from motet.chassis.hop import Hop, RecordTooLarge
from motet.chassis.identity import domain_key
from motet.chassis.repairs import REPAIRS
from motet.chassis.service import Inert, Input, Opening, Received, Service
from motet.chassis.settings import Settings
from motet.client.outcome import outcome_of
from motet.plan.admission import identifier_fault, valid_correlation, valid_traceparent
from motet.plan.identity import command_digest, key_digest, plan_id_of
from motet.plan.limits import Limits
from motet.plan.spending import DIMENSIONS
from motet.plan.text import carriable
from motet.records import (
    AgentStepped,
    Amounts,
    BudgetChanged,
    MessageRefused,
    MessageRepeated,
    MessageSent,
    MessageTaken,
    Meta,
    PlanAsked,
    PlanEnded,
    PlanRejected,
    Reason,
    SendMessage,
    StepTrigger,
    SubmitPlan,
)

AGENTS: Final = "motet.agents"
COMMANDS: Final = "motet.commands"
EVENTS: Final = "motet.events"
# What an agent that asked must hear of, because no answer will come otherwise.
UNREADABLE: Final = ("TOO_LARGE", "NOT_JSON")
# A door takes 4 MiB; a record's own headers come on top of its value.
DOOR_BYTES: Final = 4_000_000


def door_of(agent: str) -> str:
    """The topic on which an agent is told something."""
    return f"motet.messages.{agent}"


def service(agent: Agent[Any], settings: Settings) -> Service:
    """The service of an agent. Ends of plans are taken before messages."""
    agent.check()
    door = door_of(agent.name)
    return Service(
        name=f"agent-{agent.name}",
        # Of what plans consist an agent makes nothing: it waits for their ends.
        inputs=(Input(EVENTS, rank=0, without=("calls",)), Input(door, rank=1, door=True), Input(REPAIRS, rank=2)),
        outputs=(AGENTS, COMMANDS, door, *map(door_of, agent.tells), "motet.merges", "motet.dead-letters"),
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

    # -- inputs ------------------------------------------------------------------------------------------------------------

    def handle(self, batch: Sequence[Received], hop: Hop) -> None:
        """Decides about the records in order, then writes what changed in few statements."""
        self.load(batch)
        for received in batch:
            self.take(received, hop)
        with self.opening.connection.pipeline():
            self.commands.write()
            self.conversations.save()

    def load(self, batch: Sequence[Received]) -> None:
        """Reads the rows of a batch."""
        told = [one.record for one in batch if isinstance(one.record, SendMessage)]
        self.commands.load(map(key_of, told))
        self.conversations.load(
            [(one.tenant, one.domain, one.conversation) for one in told],
            # An agent's own budget is no plan's.
            [plan_id for one in batch if self.is_about_ours(one.record) and (plan_id := one.record.plan_id)],
        )

    def is_about_ours(self, record: object) -> bool:
        """Whether an event may be about one of the agent's plans: anybody may have named an agent alike."""
        return isinstance(record, PlanEnded | PlanRejected | BudgetChanged) and record.agent == self.agent.name

    def take(self, received: Received, hop: Hop) -> None:
        """One record."""
        record = received.record
        if isinstance(record, SendMessage):
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
            names = self.agent.name, self.short(message.conversation), self.short(message.idempotency_key)
            hop.emit(AGENTS, MessageRepeated(self.meta(message, received, hop), *names, known.event_id))
            return
        place = message.tenant, message.domain, message.conversation
        there = self.conversations.find(place)
        reasons = tuple(self.faults(message, there, reused=known is not None))
        if reasons:
            event_id = self.refuse(message, reasons, received, hop)
            if known is None:
                self.commands.put(key, Known(content, event_id, now))
            if there is not None and there.outcome == "GOES_ON" and message.answer and reasons[0].code in UNREADABLE:
                # Whoever asked waits for this, and would for ever.
                told = {"error": {"code": reasons[0].code, "message": reasons[0].message}}
                heard = Message(message.sender, told, message.conversation, now, message.reply_to)
                self.step(there, heard, "MESSAGE", event_id, now, hop)
            return
        meta = self.meta(message, received, hop)
        begins = there is None
        if there is None:
            there = Conversation(
                *(*place, self.agent.first, message.sender, message.reply_to, meta.correlation_id, meta.traceparent)
            )
        hop.emit(
            AGENTS,
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

    def counted(self, record: BudgetChanged) -> None:
        """What a plan of ours has taken up to here."""
        there = self.conversations.of_plan(record.plan_id or "")
        if there is not None and record.plan_id in there.open:
            there.open[record.plan_id].spent, there.open[record.plan_id].reserved = record.spent, record.reserved
            self.conversations.put(there)

    # -- what comes of it --------------------------------------------------------------------------------------------------

    def step(self, there: Conversation, heard: Heard, trigger: StepTrigger, cause: str, now: int, hop: Hop) -> None:
        """The agent decides, and what it decided is said, asked for and kept."""
        made = stepping.step(self.agent, there, heard)
        meta = hop.meta(cause, now, there.tenant, there.domain, there.correlation_id, there.traceparent)
        plans = [(label, stepping.caused(plan, meta.event_id)) for label, plan in made.plans]
        asked = tuple(PlanAsked(label, plan_id_of(plan), len(plan.calls)) for label, plan in plans)
        for (_, plan), one in zip(plans, asked, strict=True):
            budget = plan.policy.budget or Amounts()
            there.open[one.plan_id] = OpenPlan(one.label, Amounts(None, budget.cost_micros, budget.tokens, None))
            self.conversations.ask(one.plan_id, there)
        if made.outcome != "GOES_ON":
            self.conversations.end(there.open)
            there.end()
        self.conversations.put(there)
        hop.emit(
            AGENTS,
            AgentStepped(
                *(meta, self.agent.name, there.name, there.steps, trigger),
                label=heard.label if isinstance(heard, PlanDone) else None,
                plans=asked,
                sent=tuple(MessageSent(one.to, one.conversation, one.content) for one in made.said),
                outcome=made.outcome,
                result=made.result,
                error=made.error,
                spent=Amounts(there.calls, there.spent.cost_micros, there.spent.tokens, there.spent.milliseconds),
                state_sha256=stepping.digest_of(there.state),
                code_version=hop.code,
            ),
        )
        for _, plan in plans:
            self.put(COMMANDS, plan, hop)
        for place, said in enumerate(made.said):
            if said.conversation is not None:
                key = f"{self.agent.name}/{there.name}/{there.steps}/{place}"
                self.tell(said, key, there, meta, hop)

    def tell(self, one: stepping.Said, key: str, there: Conversation, meta: Meta, hop: Hop) -> None:
        """Puts a message at another agent's door."""
        message = SendMessage(
            idempotency_key=key_digest(there.tenant, there.domain, key),
            tenant=there.tenant,
            domain=there.domain,
            to=one.to,
            conversation=one.conversation or "",
            sender=self.agent.name,
            content=one.content,
            reply_to=there.name,
            correlation_id=there.correlation_id,
            traceparent=there.traceparent,
            caused_by=meta.event_id,
            answer=one.answer,
        )
        self.put(door_of(one.to), message, hop)

    @staticmethod
    def put(topic: str, command: SubmitPlan | SendMessage, hop: Hop) -> None:
        """Puts a command at a door, where its key makes a repeat one with it."""
        value = hop.tools.codec.encode(topic, command)
        if len(value) > DOOR_BYTES:
            raise RecordTooLarge(f"a {command.FULL_NAME} of {len(value)} bytes for {topic}: the limit is {DOOR_BYTES}")
        hop.forward(topic, domain_key(command.tenant, command.domain), value, command.FULL_NAME)

    def refuse(self, message: SendMessage, reasons: tuple[Reason, ...], received: Received, hop: Hop) -> str:
        """Refuses a message with every reason, and tells an agent that sent it; the event's id."""
        meta = self.meta(message, received, hop)
        conversation, key, sender = map(self.short, (message.conversation, message.idempotency_key, message.sender))
        hop.emit(AGENTS, MessageRefused(meta, self.agent.name, conversation, key, sender, reasons))
        hop.tools.log.info("message refused", event_id=meta.event_id, reasons=[one.code for one in reasons])
        # An agent that we tell anyhow: to any other there may be no door. It waits only if it asked something.
        names_it = message.reply_to is not None and identifier_fault(message.reply_to, self.limits) is None
        if names_it and message.sender in self.agent.tells and not message.answer:
            told = canonical_json({"error": {"code": reasons[0].code, "message": reasons[0].message}})
            notice = SendMessage(
                idempotency_key=key_digest(message.tenant, message.domain, meta.event_id),
                tenant=message.tenant,
                domain=message.domain,
                to=message.sender,
                conversation=message.reply_to or "",
                sender=self.agent.name,
                content=told,
                # By what was asked, the one that it is about is told from others.
                reply_to=message.conversation if identifier_fault(message.conversation, self.limits) is None else None,
                caused_by=meta.event_id,
                answer=True,
            )
            self.put(door_of(message.sender), notice, hop)
        return meta.event_id

    def meta(self, message: SendMessage, received: Received, hop: Hop) -> Meta:
        """The meta of a fact about a message."""
        correlation = valid_correlation(message.correlation_id, self.limits) or received.cause
        place = received.cause, received.timestamp_ms, message.tenant, message.domain
        return hop.meta(*place, correlation, valid_traceparent(message.traceparent))

    def short(self, name: str) -> str:
        """A name that is too long is a reason by itself, and must not make the answer too long as well."""
        return carriable(name, self.limits.identifier_length)

    def give_up(self, received: Received, reason: str, hop: Hop) -> bool:
        """A message that cannot be handled is refused; anything else is the chassis's to keep."""
        if not isinstance(received.record, SendMessage):
            return False
        self.refuse(received.record, (Reason("HANDLING_FAILED", reason[:2_000], None),), received, hop)
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
