"""A turn of a model: the tools that it is offered, and the calls that it writes into one answer, run as one plan in the order written.

The plan's key follows from the conversation and from the answer, so that a framework that runs its step again (a retry, a process that died,
a checkpoint that was put back) asks for the same plan again, and is told the first end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from motet.chassis.canonical import NotCanonical, canonical_json, sha256_text
from motet.chassis.errors import ConfigurationError, MotetError
from motet.client import Call, Client, Outcome, Policy
from motet.client.gathering import ended
from motet.client.plans import Mode
from motet.personal.marks import plain
from motet.records import ToolContract
from motet.tools.contract import Contract

# Providers take letters, digits, underscores and hyphens in a function's name, 64 of them at most.
BETWEEN: Final = "__"
LONGEST: Final = 64
UNKNOWN_TOOL: Final = "UNKNOWN_TOOL"
NOT_RUN: Final = "NOT_RUN"
INVALID: Final = "ARGUMENTS_INVALID"
# What a model can do something about, by calling otherwise. Of anything else it must not hear: it would ask again, under new ids.
THE_MODELS: Final = frozenset(
    {
        INVALID,
        "ARGUMENTS_NOT_JSON",
        "TOO_LARGE",
        "TOO_MANY_CALLS",
        "RESOURCE_NOT_KNOWN",
        "RESOURCE_IN_QUARANTINE",
        "LEASE_NOT_KNOWN",
    }
)
REFERENCE: Final = "$result"


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool as a model sees it: `name` is its function's, `tool` its own; `parameters` is a JSON Schema."""

    name: str
    tool: str
    description: str
    parameters: Mapping[str, Any]
    effect: str
    approval: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of a model's answer: its id there, the function's name, the arguments."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """What a model is told of one call. `text` is canonical JSON: the same bytes whenever the inputs were the same."""

    id: str
    name: str
    succeeded: bool
    text: str
    status: str


def offered(contracts: Iterable[ToolContract | Contract], only: Sequence[str] = ()) -> list[Offered]:
    """Tools as models see them: of a toolset in this process, or `Client.contracts()`; `only` names tools or toolsets.

    Raises ConfigurationError if a name of `only` is none, or two tools would have one function's name.
    """
    out: dict[str, Offered] = {}
    found: set[str] = set()
    for one in contracts:
        wanted = {one.name, one.toolset} & set(only)
        found |= wanted
        if only and not wanted:
            continue
        name = one.name.replace(".", BETWEEN)
        if name in out or len(name) > LONGEST:
            raise ConfigurationError(
                f"tool {one.name} would be the function {name!r}, which is {len(name)} characters long or there already; "
                f"names of functions are unique and have at most {LONGEST} characters: offer fewer tools, by `only`"
            )
        parameters = plain(json.loads(one.arguments_schema))
        out[name] = Offered(name, one.name, one.description, parameters, one.effect, one.approval)
    if missing := set(only) - found:
        raise ConfigurationError(
            f"no tool and no toolset is called {', '.join(sorted(missing))}: is its service running?"
        )
    return list(out.values())


def schemas(tools: Iterable[Offered]) -> list[dict[str, Any]]:
    """The tools as OpenAI-compatible endpoints, LangChain's `bind_tools` and most frameworks take them."""
    return [
        {
            "type": "function",
            "function": {"name": one.name, "description": one.description, "parameters": dict(one.parameters)},
        }
        for one in tools
    ]


class TurnRefused(MotetError):
    """A turn was refused for something that no model can mend; whoever runs the agent does. `reasons` say what."""

    def __init__(self, outcome: Outcome) -> None:
        self.reasons = outcome.reasons
        what = "; ".join(f"{one.code}: {one.message}" for one in outcome.reasons)
        more = ""
        if any(one.code == "KEY_REUSED" for one in outcome.reasons):
            more = (
                " (this turn was asked for before with other options: the agent's name, policy, mode and the tools on offer "
                "are part of a plan; run it with those that it had)"
            )
        super().__init__(f"plan {outcome.plan_id} was refused: {what}{more}")


@dataclass(frozen=True, slots=True)
class Offer:
    """Tools on offer, and what becomes of a model's calls of them. Pure.

    A model's mistakes are answered and cost nobody else: a function that is not offered, and arguments that no JSON carries, are told so beside
    the results of the others; if arguments break a contract nothing of the answer runs, and each call is told why.
    """

    tools: Sequence[Offered]

    def known(self, asked: Sequence[Asked]) -> list[Asked]:
        """The calls that can be asked for."""
        return [one for one in asked if self.mistake(one) is None]

    def mistake(self, one: Asked) -> tuple[str, str] | None:
        """Why a call cannot be asked for at all: code and message."""
        names = {tool.name for tool in self.tools}
        if one.name not in names:
            return UNKNOWN_TOOL, f"there is no function {one.name!r}; these are offered: {', '.join(sorted(names))}"
        try:
            canonical_json(dict(one.arguments))
        except NotCanonical as error:
            return INVALID, str(error)
        if refers(one.arguments):
            return INVALID, f"the name {REFERENCE!r} in arguments is Motet's own"
        return None

    def calls(self, known: Sequence[Asked]) -> list[Call]:
        """The plan."""
        tool_of = {one.name: one.tool for one in self.tools}
        return [Call(tool_of[one.name], one.arguments) for one in known]

    def answers(self, asked: Sequence[Asked], outcome: Outcome | None) -> list[Answered]:
        """What the model is told, one answer a call, in its order. Raises TurnRefused for what no model can mend."""
        found = iter([] if outcome is None else told(self.known(asked), outcome))
        out = []
        for one in asked:
            mistake = self.mistake(one)
            answer = refused(one, *mistake) if mistake is not None else next(found, None)
            if answer is not None:
                out.append(answer)
        return out


@dataclass(frozen=True, slots=True)
class Turns:
    """Runs the calls of a model's answers, each answer as one plan; the options are those of `Client.submit`.

    Mistakes are answered as `Offer` says. Raises TurnRefused for whatever else a plan is refused for.
    """

    client: Client
    tools: Sequence[Offered]
    policy: Policy | None = None
    mode: Mode = "orchestrated"
    timeout_seconds: float | None = 60.0
    options: Mapping[str, Any] = field(default_factory=dict)

    def run(self, asked: Sequence[Asked], *conversation: str) -> list[Answered]:
        """The answers to calls, in their order; `conversation` and the calls are the plan's key. Raises PlanTimeout, SubmitFailed."""
        offer = Offer(self.tools)
        known = offer.known(asked)
        if not known:
            return offer.answers(asked, None)
        submitted = self.client.submit(offer.calls(known), idempotency_key=key_of(conversation, asked), **self.asks)
        return offer.answers(asked, submitted.wait(self.timeout_seconds))

    async def run_async(self, asked: Sequence[Asked], *conversation: str) -> list[Answered]:
        """The same, awaited."""
        offer = Offer(self.tools)
        known = offer.known(asked)
        if not known:
            return offer.answers(asked, None)
        key = key_of(conversation, asked)
        more = {"key": key, "timeout_seconds": self.timeout_seconds, **self.asks}
        return offer.answers(asked, await ended(self.client, *offer.calls(known), **more))

    @property
    def asks(self) -> dict[str, Any]:
        """How a plan is submitted."""
        return {"policy": self.policy, "mode": self.mode, **self.options}


def told(asked: Sequence[Asked], outcome: Outcome) -> list[Answered]:
    """What the model is told of the calls of a plan, in their order. Raises TurnRefused for what no model can mend."""
    if any(reason.code not in THE_MODELS for reason in outcome.reasons):
        raise TurnRefused(outcome)
    return [answered(one, outcome, place) for place, one in enumerate(asked)]


def answered(one: Asked, outcome: Outcome, place: int) -> Answered:
    """What became of a call, the plan's one at a place."""
    if outcome.status == "REJECTED":
        mine = [reason for reason in outcome.reasons if reason.call_id in (f"c{place}", None)]
        if mine:
            return refused(one, mine[0].code, "; ".join(reason.message for reason in mine))
        return refused(
            one, NOT_RUN, "nothing of this answer was run, because another call of it was refused; ask again"
        )
    end = outcome.results[place]
    if end.status == "SUCCEEDED":
        text = end.result if end.result is not None else canonical_json({"result_sha256": end.result_sha256})
        return Answered(one.id, one.name, succeeded=True, text=text, status=end.status)
    told = {"code": end.error_code or end.status, "message": end.error_message or ""}
    return Answered(one.id, one.name, succeeded=False, text=canonical_json({"error": told}), status=end.status)


def refused(one: Asked, code: str, message: str) -> Answered:
    """A call that was not run."""
    text = canonical_json({"error": {"code": code, "message": message}})
    return Answered(one.id, one.name, succeeded=False, text=text, status="REJECTED")


def key_of(conversation: Sequence[str], asked: Sequence[Asked]) -> str:
    """The key of a turn: where it was asked, and what. An answer's own ids of its calls make two equal answers two turns."""
    return sha256_text(canonical_json([*conversation, [[one.id, one.name, digested(one.arguments)] for one in asked]]))


def digested(arguments: Mapping[str, Any]) -> str:
    """Arguments as a text; also those that no JSON carries, which are answered and not run."""
    try:
        return canonical_json(dict(arguments))
    except NotCanonical:
        return repr(sorted(arguments)).encode("ascii", "backslashreplace").decode()


def refers(value: Any) -> bool:
    """Whether a model wrote what would be taken for a reference to another call's result."""
    if isinstance(value, Mapping):
        return REFERENCE in value or any(map(refers, value.values()))
    return isinstance(value, list) and any(map(refers, value))
