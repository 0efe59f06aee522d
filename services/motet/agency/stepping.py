"""What a step of a conversation comes to, pure: the agent's own decision, held to its limits, as what is asked for and said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from motet.agency.actions import Action, Ask, Done, Fail, Plan, Say, Send
from motet.agency.agent import Agent, Wrong
from motet.agency.conversation import Conversation, Ending
from motet.agency.hearing import Heard
from motet.chassis import guard
from motet.chassis.canonical import NotCanonical, canonical_json, sha256_text
from motet.chassis.errors import ConfigurationError
from motet.client.plans import command
from motet.client.policy import Policy
from motet.plan.admission import identifier_fault
from motet.plan.limits import Limits
from motet.plan.spending import DIMENSIONS
from motet.plan.text import carriable
from motet.records import Amounts, Failure, SubmitPlan

MESSAGE_LENGTH: Final = 2_000
# What a step asks for and says stays well below what Kafka takes: so many bytes of arguments a plan, so many in all that the step's own record has,
# and so many of both.
STEP_BYTES: Final = 1_000_000
SAID_AT_MOST: Final = 500
# What stands in the record beside a content: names.
NAMES_BYTES: Final = 1_000
LIMITS: Final = Limits()
# What a budget counts that an agent limits.
COUNTED: Final = ("cost_micros", "tokens")


@dataclass(frozen=True, slots=True)
class Said:
    """Something that is said: to an agent if there is a conversation, else to a person. `answer` says that it is no question."""

    to: str
    content: str
    conversation: str | None = None
    answer: bool = False


@dataclass(slots=True)
class Step:
    """What a step comes to."""

    plans: list[tuple[str, SubmitPlan]] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    outcome: Ending = "GOES_ON"
    result: str | None = None
    error: Failure | None = None


class Beyond(Exception):
    """A limit is reached."""


class Refused(Exception):
    """What an agent decided cannot be done."""


def step(agent: Agent[Any], conversation: Conversation, heard: Heard) -> Step:
    """One decision. The conversation has its new state and counts behind it; plans are not open yet, because their ids are not known.

    What the agent's code raises ends the conversation; so does a limit. Nothing else of such a step happens.
    """
    conversation.steps += 1
    end = guard.contain(partial(decided, agent, conversation, heard))
    if isinstance(end, guard.Done):
        conversation.state, made = end.value
    else:
        limit = isinstance(end.error, Beyond)
        code = "LIMIT_REACHED" if limit else "DECISION_FAILED"
        said = str(end.error) if isinstance(end.error, Beyond | Refused | Wrong) else end.text
        made = Step(
            outcome="LIMIT_REACHED" if limit else "FAILED",
            error=Failure(code, carriable(f"agent {agent.name}: {said}", MESSAGE_LENGTH)),
        )
        answer(conversation, made)
    conversation.calls += sum(len(plan.calls) for _, plan in made.plans)
    conversation.outcome = made.outcome
    return made


def out_of_time(agent: Agent[Any], conversation: Conversation) -> Step:
    """The end of a conversation that lasted for too long, whatever it waits for."""
    conversation.steps += 1
    said = f"agent {agent.name}: conversation {conversation.name} has lasted for {agent.limits.seconds:g} s, which is its limit (seconds)"
    made = Step(outcome="LIMIT_REACHED", error=Failure("LIMIT_REACHED", said))
    answer(conversation, made)
    conversation.outcome = made.outcome
    return made


def decided(agent: Agent[Any], conversation: Conversation, heard: Heard) -> tuple[str, Step]:
    """The new state, and what the agent decided. Raises Beyond, Refused, and what its code raises."""
    limits = agent.limits
    if conversation.steps > limits.steps:
        raise Beyond(
            f"step {conversation.steps} of conversation {conversation.name}; the limit is {limits.steps} steps"
        )
    state, actions = agent.decide(conversation.state, heard)
    if len(state.encode()) > limits.state_bytes:
        raise Beyond(
            f"its state has {len(state.encode())} bytes as JSON; the limit is {limits.state_bytes} (state_bytes)"
        )
    made = Step()
    plans = [one for one in actions if isinstance(one, Plan)]
    check_plans(agent, conversation, plans)
    shares = shares_of(agent, conversation, plans)
    for place, action in enumerate(actions):
        if made.outcome != "GOES_ON":
            raise Refused(f"{type(action).__name__} stands behind the end; nothing follows Done or Fail")
        if isinstance(action, Plan):
            made.plans.append((action.label, asked(agent, conversation, action, shares, place)))
        else:
            tell(agent, conversation, action, place, made)
    answer(conversation, made)
    check_size(made)
    return state, made


def check_size(made: Step) -> None:
    """Raises Beyond for a step that no record could carry."""
    if len(made.said) > SAID_AT_MOST:
        raise Beyond(f"one step says {len(made.said)} things; the limit is {SAID_AT_MOST}")
    size = sum(len(one.content.encode()) + NAMES_BYTES for one in made.said) + len((made.result or "").encode())
    if size > STEP_BYTES:
        raise Beyond(f"one step says {size} bytes, names included; the limit is {STEP_BYTES}")


def check_plans(agent: Agent[Any], conversation: Conversation, plans: Sequence[Plan]) -> None:
    """Raises Beyond, Refused."""
    limits = agent.limits
    labels = [named("a plan's label", one.label) for one in plans]
    if len(set(labels)) < len(labels):
        raise Refused(f"two plans of one step have one label: {', '.join(labels)}")
    calls = conversation.calls + sum(len(one.calls) for one in plans)
    if calls > limits.calls:
        raise Beyond(f"{calls} calls in conversation {conversation.name}; the limit is {limits.calls} calls")
    if plans and len(conversation.open) + len(plans) > limits.open_plans:
        raise Beyond(
            f"{len(conversation.open) + len(plans)} plans at once; the limit is {limits.open_plans} (open_plans)"
        )


def shares_of(agent: Agent[Any], conversation: Conversation, plans: Sequence[Plan]) -> Amounts:
    """What each plan of a step may take: an even share of what neither is spent nor may be by plans that run. Raises Beyond."""
    found: dict[str, int | None] = {}
    for name in COUNTED:
        limit = getattr(agent.limits.amounts, name)
        if limit is None:
            continue
        open_plans = conversation.open.values()
        taken = (getattr(conversation.spent, name) or 0) + sum(getattr(one.allowed, name) or 0 for one in open_plans)
        found[name] = share = (limit - taken) // max(1, len(plans))
        if plans and share <= 0:
            raise Beyond(
                f"{name} of conversation {conversation.name}: {taken} of {limit} are spent, or may be by plans that run"
            )
    return Amounts(**found)


def asked(agent: Agent[Any], conversation: Conversation, plan: Plan, share: Amounts, place: int) -> SubmitPlan:
    """The command of a plan. Raises Refused for arguments that JSON cannot carry."""
    tenant, domain, _ = conversation.place
    policy = (plan.policy or Policy()).record()
    given = policy.budget
    if share != Amounts():
        policy = replace(policy, budget=share if given is None else least(given, share))
    key = derived(agent, conversation, place)
    try:
        made = command(
            plan.calls,
            tenant=tenant,
            domain=domain,
            agent=agent.name,
            idempotency_key=key,
            isolation=plan.isolation,
            correlation_id=conversation.correlation_id,
            traceparent=conversation.traceparent,
            mode=plan.mode,
            leases=plan.leases,
            workflow=agent.workflow,
        )
    except ConfigurationError as error:
        raise Refused(f"plan {plan.label}: {error}") from error
    size = sum(len(call.arguments.encode()) for call in made.calls)
    if size > STEP_BYTES:
        raise Refused(f"plan {plan.label} has {size} bytes of arguments; the limit is {STEP_BYTES}")
    return replace(made, policy=policy)


def least(one: Amounts, other: Amounts) -> Amounts:
    """The tighter of two limits, each by itself."""
    found = {}
    for name in DIMENSIONS:
        values = [value for amounts in (one, other) if (value := getattr(amounts, name)) is not None]
        found[name] = min(values) if values else None
    return Amounts(**found)


def tell(agent: Agent[Any], conversation: Conversation, action: Action, place: int, made: Step) -> None:
    """What is said, and how it ends. Raises Refused."""
    match action:
        case Send(to=to, content=content, conversation=there):
            if to not in agent.tells:
                raise Refused(f"it may not tell {to!r}; give Agent({agent.name!r}, tells=[{to!r}])")
            name = derived(agent, conversation, place)[:32] if there is None else named("a conversation", there)
            made.said.append(Said(to, carried(agent, content), name))
        case Say(content=content):
            made.said.append(Said(conversation.asker, carried(agent, content), conversation.reply_to, answer=True))
        case Ask(person=person, content=content):
            made.said.append(Said(named("a person", person), carried(agent, content)))
        case Done(result=result):
            made.outcome, made.result = "DONE", carried(agent, result)
        case Fail(code=code, message=message):
            failure = Failure(named("a code", code), carriable(str(message), MESSAGE_LENGTH))
            made.outcome, made.error = "FAILED", failure


def answer(conversation: Conversation, made: Step) -> None:
    """An agent that began a conversation hears how it ended, unless it was told just that, or something in place of a result."""
    if conversation.reply_to is None or made.outcome == "GOES_ON":
        return
    told = canonical_json({"error": made.error.to_avro()}) if made.error is not None else made.result or "null"
    said = [one.content for one in made.said if one.answer]
    if told not in said and not (said and told == "null"):
        made.said.append(Said(conversation.asker, told, conversation.reply_to, answer=True))


def derived(agent: Agent[Any], conversation: Conversation, place: int) -> str:
    """A name that nothing else has: 64 hex digits of agent, conversation, step and place within it."""
    return sha256_text(canonical_json([agent.name, conversation.name, conversation.steps, place]))


def named(what: str, value: object) -> str:
    """A name that an action gives. Raises Refused."""
    fault = "is no text" if not isinstance(value, str) else identifier_fault(value, LIMITS)
    if fault is not None:
        raise Refused(f"{what} {fault}")
    return str(value)


def carried(agent: Agent[Any], content: Any) -> str:
    """Something said, as canonical JSON. Raises Refused, Beyond."""
    try:
        text = canonical_json(content)
    except NotCanonical as error:
        raise Refused(f"what it says is no JSON: {error}") from error
    if len(text.encode()) > agent.limits.content_bytes:
        raise Beyond(f"it says {len(text.encode())} bytes; the limit is {agent.limits.content_bytes} (content_bytes)")
    return text


def caused(plan: SubmitPlan, event_id: str) -> SubmitPlan:
    """A plan that says which event it answers to. Its id does not depend on that."""
    return replace(plan, caused_by=event_id)


def digest_of(state: str) -> str:
    """Hex SHA-256 of a state."""
    return sha256_text(state)
