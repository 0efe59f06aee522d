"""What an agent decided, as records: its step, the plans that it asks for, what it says to others, what it refuses."""

from __future__ import annotations

from typing import Any, Final

from motet.agency import stepping
from motet.agency.agent import Agent
from motet.agency.conversation import Conversation, OpenPlan
from motet.agency.rows import Conversations
from motet.chassis.canonical import canonical_json
from motet.chassis.decided_by import told
from motet.chassis.hop import Hop, RecordTooLarge
from motet.chassis.identity import domain_key
from motet.chassis.service import Received
from motet.plan.admission import identifier_fault, valid_correlation, valid_traceparent
from motet.plan.identity import key_digest, plan_id_of
from motet.plan.limits import Limits
from motet.plan.text import carriable
from motet.records import (
    AgentEvent,
    AgentStepped,
    Amounts,
    MessageRefused,
    MessageSent,
    Meta,
    PlanAsked,
    Reason,
    SendMessage,
    StepTrigger,
    SubmitPlan,
)

AGENTS: Final = "motet.agents"
COMMANDS: Final = "motet.commands"
# A door takes 4 MiB; a record's own headers come on top of its value.
DOOR_BYTES: Final = 4_000_000


def door_of(agent: str) -> str:
    """The topic on which an agent is told something."""
    return f"motet.messages.{agent}"


class Telling:
    """Emits what an agent of a shard decided."""

    def __init__(self, agent: Agent[Any], conversations: Conversations, limits: Limits) -> None:
        self.agent = agent
        self.conversations = conversations
        self.limits = limits

    def step(
        self,
        there: Conversation,
        made: stepping.Step,
        why: tuple[StepTrigger, str | None],
        cause: str,
        now: int,
        hop: Hop,
    ) -> None:
        """What was decided is said, asked for and kept. `why` is what it was about, and the label of a plan that ended."""
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
        self.say(
            hop,
            AgentStepped(
                *(meta, self.agent.name, there.name, there.steps, *why),
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

    def say(self, hop: Hop, fact: AgentEvent) -> None:
        """A fact of the agent's, which is decided by its definition as a plan is by its own."""
        hop.emit(AGENTS, fact, under=told(workflow=self.agent.workflow))

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
        self.say(hop, MessageRefused(meta, self.agent.name, conversation, key, sender, reasons))
        hop.tools.log.info("message refused", event_id=meta.event_id, reasons=[one.code for one in reasons])
        # An agent that we tell anyhow: to any other there may be no door. It waits only if it asked something.
        names_it = message.reply_to is not None and identifier_fault(message.reply_to, self.limits) is None
        if names_it and message.sender in self.agent.tells and not message.answer:
            answer = canonical_json({"error": {"code": reasons[0].code, "message": reasons[0].message}})
            notice = SendMessage(
                idempotency_key=key_digest(message.tenant, message.domain, meta.event_id),
                tenant=message.tenant,
                domain=message.domain,
                to=message.sender,
                conversation=message.reply_to or "",
                sender=self.agent.name,
                content=answer,
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
