"""Agents that a model leads: what it hears goes to the model, what the model asks for is done, until it answers.

    clerk = assistant("clerk", model="gpt-5", instructions="You refund orders.", tools=[desk_tools.tools], colleagues={"estimator": "Estimates days."})

Each answer of the model is a plan of one call of `model.answer`; the calls that it writes into one answer are one plan, in the order written. The
conversation's state is the list of messages as the model reads it, so that a replay needs no model: the answers are in the log.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from motet.adapters.turn import Answered, Asked, Offer, Offered, TurnRefused, offered, refused, schemas, told
from motet.agency import Agent, AgentLimits, Decision, Done, Fail, Message, Plan, PlanDone, Say, Send
from motet.chassis.canonical import canonical_json, sha256_text
from motet.chassis.errors import ConfigurationError
from motet.client.plans import Call
from motet.client.policy import Policy
from motet.tools import Contract, Toolset

MODEL: Final = "model"
TOOLS: Final = "tools"
# What stands before a colleague's name in the function that asks it.
ASKS: Final = "ask__"
SPEAKER: Final = re.compile(r"[^A-Za-z0-9_-]")
LONGEST_SPEAKER: Final = 64


@dataclass
class Transcript:
    """The state: what the model reads, what it asked for and has no answer to yet, and what was said meanwhile."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    # Calls of the last answer, in its order, and what became of those that have an end, by id.
    asked: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    # Whether an answer of the model is awaited.
    thinking: bool = False
    later: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leading:
    """How a model leads an agent."""

    model: str
    instructions: str
    offer: Offer
    colleagues: Mapping[str, str]
    chat: bool
    policy: Policy | None
    tool: str
    request: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """A few digits of what leads: of other instructions, tools or models there are others."""
        functions = schemas(self.offer.tools)
        what = [
            self.model,
            self.instructions,
            functions,
            dict(self.colleagues),
            self.chat,
            self.tool,
            dict(self.request),
        ]
        return f"-{sha256_text(canonical_json(what))[:12]}"

    # -- what it hears -----------------------------------------------------------------------------------------------------

    def hear(self, state: Transcript, message: Message) -> Decision:
        """A message: a colleague's answer, or something new, which waits while an answer is awaited."""
        waiting = {one["there"]: one["id"] for one in state.asked if one.get("there")}
        if message.reply_to in waiting and waiting[message.reply_to] not in state.answers:
            text = canonical_json(message.content)
            return self.go_on(replace(state, answers={**state.answers, waiting[message.reply_to]: text}))
        said = {"role": "user", "content": text_of(message.content), "name": speaker(message.sender)}
        if state.thinking or state.asked:
            return replace(state, later=[*state.later, said])
        return self.think(replace(state, messages=[*state.messages, said]))

    def think(self, state: Transcript) -> Decision:
        """Asks the model."""
        beginning = [{"role": "system", "content": self.instructions}] if self.instructions else []
        functions = [*schemas(self.offer.tools), *(asking(name, what) for name, what in self.colleagues.items())]
        arguments = {
            **self.request,
            "model": self.model,
            "messages": [*beginning, *state.messages],
            **({"tools": functions} if functions else {}),
        }
        # A model that gave no answer in the end gave none: nobody needs to find out.
        return replace(state, thinking=True), Plan(MODEL, [Call(self.tool, arguments)], policy=Policy(in_doubt="end"))

    def heard_model(self, state: Transcript, done: PlanDone) -> Decision:
        """The model answered: it said something, or asks for calls."""
        state = replace(state, thinking=False)
        if done.outcome.status != "SUCCEEDED":
            return state, Fail("MODEL_FAILED", why(done))
        answer = done.outcome.results[0].value
        calls = own_ids(answer["tool_calls"], len(state.messages))
        # An answer without a text is one all the same; endpoints take no answer of nothing.
        said = {"role": "assistant", "content": answer["content"] if calls else answer["content"] or ""}
        if not calls:
            return self.answered({**said}, state)
        said["tool_calls"] = [
            {"id": one["id"], "type": "function", "function": {"name": one["name"], "arguments": one["arguments"]}}
            for one in calls
        ]
        return self.do(replace(state, messages=[*state.messages, said]), calls, done.conversation)

    def answered(self, said: dict[str, Any], state: Transcript) -> Decision:
        """The model asks for nothing more: it has answered, unless something was said meanwhile."""
        text = {"text": said["content"]}
        state = replace(state, messages=[*state.messages, said])
        if state.later:
            thinking, *plan = self.think(replace(state, messages=[*state.messages, *state.later], later=[]))
            return (thinking, Say(text), *plan)
        return (state, Say(text)) if self.chat else (state, Say(text), Done(text))

    def do(self, state: Transcript, calls: Sequence[Mapping[str, Any]], conversation: str) -> Decision:
        """Does what the model asks for: its calls as one plan in the order written, colleagues beside it."""
        listed, answers, sends, own = [], {}, [], []
        for one in calls:
            name, call = one["name"], asked_of(one)
            colleague = name.removeprefix(ASKS)
            if name.startswith(ASKS) and colleague in self.colleagues:
                there = sha256_text(canonical_json([conversation, len(state.messages), one["id"]]))[:32]
                listed.append({**one, "there": there})
                sends.append(Send(colleague, {"text": text_of(call.arguments.get("text", ""))}, conversation=there))
            else:
                listed.append(dict(one))
                own.append(call)
        mistaken = [refused(one, *mistake) for one in own if (mistake := self.offer.mistake(one)) is not None]
        answers = {one.id: one.text for one in mistaken}
        state = replace(state, asked=listed, answers=answers)
        known = self.offer.known(own)
        plans = [Plan(TOOLS, self.offer.calls(known), policy=self.policy)] if known else []
        if not plans and not sends:
            return self.go_on(state)
        return (state, *plans, *sends)

    def heard_tools(self, state: Transcript, done: PlanDone) -> Decision:
        """The plan ended: each of its calls has an answer. What no model can mend ends the conversation."""
        # Those that were mistakes are answered: by what was offered then, whatever is today.
        own = [asked_of(one) for one in state.asked if not one.get("there") and one["id"] not in state.answers]
        try:
            found: list[Answered] = told(own, done.outcome)
        except TurnRefused as error:
            return state, Fail("PLAN_REFUSED", str(error))
        return self.go_on(replace(state, answers={**state.answers, **{one.id: one.text for one in found}}))

    def go_on(self, state: Transcript) -> Decision:
        """The model is asked once all that it asked for is answered, in the order in which it asked."""
        if any(one["id"] not in state.answers for one in state.asked):
            return state
        told = [{"role": "tool", "tool_call_id": one["id"], "content": state.answers[one["id"]]} for one in state.asked]
        messages = [*state.messages, *told, *state.later]
        return self.think(replace(state, messages=messages, asked=[], answers={}, later=[]))


def assistant(
    name: str,
    *,
    model: str,
    instructions: str = "",
    tools: Iterable[Toolset | Contract] = (),
    only: Sequence[str] = (),
    colleagues: Mapping[str, str] | None = None,
    tells: Sequence[str] = (),
    chat: bool = False,
    policy: Policy | None = None,
    limits: AgentLimits | None = None,
    answering: str = "model.answer",
    temperature: float | None = None,
    seed: int | None = None,
    max_tokens: int | None = None,
) -> Agent[Transcript]:
    """An agent that a model leads.

    `tools` are toolsets, or contracts, of which the model is offered all, or `only` some. `colleagues` are other agents that it may ask, each with
    what it is for; `tells` are agents that may ask it, so that it can refuse what they send. With `chat` a conversation goes on after an answer;
    without, the answer is its end. `answering` is the tool that asks the model; temperature, seed and max_tokens are given to it.
    `policy` is that of its plans. Raises ConfigurationError.
    """
    known = dict(colleagues or {})
    contracts = [
        contract
        for one in tools
        for contract in ([one] if isinstance(one, Contract) else [tool.contract_fields() for tool in one.tools])
    ]
    functions: list[Offered] = offered(newest(contracts), only) if contracts else []
    if any(one.name.startswith(ASKS) for one in functions):
        raise ConfigurationError(
            f"agent {name}: a tool's function begins with {ASKS}, which is how colleagues are asked"
        )
    leading = Leading(
        model=model,
        instructions=instructions,
        offer=Offer(functions),
        colleagues=known,
        chat=chat,
        policy=policy,
        tool=answering,
        request={
            name: value
            for name, value in (("temperature", temperature), ("seed", seed), ("max_tokens", max_tokens))
            if value is not None
        },
    )
    made: Agent[Transcript] = Agent(
        name,
        state=Transcript,
        tells=tuple(dict.fromkeys((*known, *tells))),
        limits=limits,
        fingerprint=leading.digest,
    )
    made.on_message(leading.hear)
    made.on_plan(MODEL)(leading.heard_model)
    made.on_plan(TOOLS)(leading.heard_tools)
    return made


def newest(contracts: Iterable[Contract]) -> list[Contract]:
    """The newest version of each tool, which is what a call gets that names none."""
    found: dict[str, Contract] = {}
    for one in contracts:
        if one.name not in found or one.version > found[one.name].version:
            found[one.name] = one
    return list(found.values())


def own_ids(calls: Sequence[Mapping[str, Any]], turn: int) -> list[dict[str, Any]]:
    """Calls with ids of their own: of endpoints that give none, or one twice, the answers could not be told apart."""
    out: list[dict[str, Any]] = []
    for place, one in enumerate(calls):
        known = {other["id"] for other in out}
        out.append({**one, "id": one["id"] if one["id"] and one["id"] not in known else f"call_{turn}_{place}"})
    return out


def asking(name: str, what: str) -> dict[str, Any]:
    """The function by which a model asks a colleague."""
    parameters = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    return {
        "type": "function",
        "function": {"name": f"{ASKS}{name}", "description": what, "parameters": parameters},
    }


def asked_of(one: Mapping[str, Any]) -> Asked:
    """A call as the model wrote it; what is no JSON object the contract refuses, with the text."""
    try:
        arguments = json.loads(one["arguments"] or "{}")
    except ValueError:
        arguments = None
    given = arguments if isinstance(arguments, dict) else {"not_a_json_object": one["arguments"]}
    return Asked(one["id"], one["name"], given)


def text_of(content: Any) -> str:
    """What was said, as a text for the model: a text as it is, `{"text": …}` as its text, anything else as canonical JSON."""
    if isinstance(content, dict) and set(content) == {"text"}:
        content = content["text"]
    return content if isinstance(content, str) else canonical_json(content)


def speaker(sender: str) -> str:
    """Who speaks, as providers take a name."""
    return SPEAKER.sub("_", sender)[:LONGEST_SPEAKER]


def why(done: PlanDone) -> str:
    """Why the model gave no answer."""
    said = [f"{one.error_code}: {one.error_message}" for one in done.outcome.results if one.error_code]
    return "; ".join(said or [f"{one.code}: {one.message}" for one in done.outcome.reasons]) or done.outcome.status
