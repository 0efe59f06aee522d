"""The whole way of an agent that a model leads: message, model, plan, tools, model, answer, over a recorded model's real HTTP.

The recording is the leaderboard's ground truth: to each question the calls that answer it, and a word once they are done.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from motet.client import Client, Event
from motet.client.conversations import tell
from motet.demo import real_input
from motet.demo.dataset import Call, Scenario
from motet.demo.killer import Kill, Killer
from motet.demo.plans import setup_plan, tool
from motet.demo.real_input import RealInput
from motet.demo.run import Demo, counted, settle
from motet.models.recorded import RecordedAnswer, RecordedCall, RecordedModel, Recording
from motet.platform import Platform, ServiceSpec
from motet.records import PlanEnded

AGENT: Final = "berkeley"
MODEL_SERVICE: Final = "tools-model"
ANSWER_SECONDS: Final = 180.0
# Conversations at once: each waits for the model and its tools, and has a reader of its own.
AT_ONCE: Final = 10
MODEL_TOOL: Final = "model.answer"


@dataclass(frozen=True, slots=True)
class Led:
    """What came of it. `asked` are the requests that the model got, `answers` those of its answers that are in the log."""

    seed: int
    compared: RealInput
    answered: int
    asked: int
    answers: int
    kills: tuple[Kill, ...]

    @property
    def equal(self) -> bool:
        """Whether results and states are those of the serial run, and each question had its answer."""
        return self.compared.equal and self.answered == self.compared.turns

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        compared = self.compared
        return {
            "equal": self.equal,
            "seed": self.seed,
            "tenant": compared.tenant,
            "scenarios": compared.scenarios,
            "scenarios_equal": compared.scenarios_equal,
            "turns": compared.turns,
            "answered": self.answered,
            "calls": compared.calls,
            "calls_equal": compared.calls_equal,
            "model_requests": self.asked,
            "model_answers": self.answers,
            "killed": [{name: value for name, value in asdict(one).items() if name != "pid"} for one in self.kills],
            "differences": list(compared.differences),
            "seconds": round(compared.seconds, 1),
        }


def recording(scenarios: Sequence[Scenario]) -> Recording:
    """What the model answers, by scenario: to each question its calls, and a word once they are done."""
    return Recording(answers={one.id: list(answers_of(one)) for one in scenarios})


def answers_of(scenario: Scenario) -> Iterator[RecordedAnswer]:
    """The answers of one conversation, in order."""
    for turn in scenario.turns:
        if turn:
            yield RecordedAnswer(tool_calls=[asked(call) for call in turn])
        yield RecordedAnswer(content=f"Done: {len(turn)} calls.")


def asked(call: Call) -> RecordedCall:
    """A ground-truth call as a model writes it."""
    return RecordedCall(name=tool(call).replace(".", "__"), arguments=call.arguments())


@contextmanager
def model_of(scenarios: Sequence[Scenario]) -> Iterator[RecordedModel]:
    """The recorded model, while the block runs."""
    with RecordedModel(recording(scenarios).answer_to).running() as made:
        yield made


def services(model: RecordedModel) -> list[ServiceSpec]:
    """The agent, and the service that asks the model."""
    where = {"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "recorded"}
    python = (sys.executable, "-m", "motet")
    return [
        ServiceSpec(MODEL_SERVICE, (*python, "tools", "serve", "motet.models.serving"), where),
        ServiceSpec(f"agent-{AGENT}", (*python, "agents", "serve", "motet.demo.berkeley_agent")),
    ]


def run(demo: Demo, platform: Platform, model: RecordedModel, progress: Callable[[str, int, int], None]) -> Led:
    """All scenarios, some at once, with kills on the way; compares with the plain serial run."""
    addresses, tenant = platform.addresses, f"led-{demo.run}"
    turns = sum(len(one.turns) for one in demo.scenarios)
    chance = random.Random(demo.seed)  # noqa: S311  it has to be repeatable
    killer = Killer(platform, [f"agent-{AGENT}", MODEL_SERVICE, "coordinator"], demo.kills, turns, chance)
    ended = counted(killer, "conversations", turns, progress)

    def converse(scenario: Scenario) -> int:
        """One conversation; how many of its questions had an answer."""
        with Client(addresses.kafka, addresses.registry, tenant=tenant, domain=scenario.id) as client:
            client.submit_command(replace(setup_plan(scenario), tenant=tenant)).wait(ANSWER_SECONDS)
            return sum(answered(client, scenario, turn, ended) for turn in range(len(scenario.turns)))

    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="person") as people:
        found = list(people.map(converse, demo.scenarios))
    seconds = time.monotonic() - began
    settle(platform)
    with Client(addresses.kafka, addresses.registry) as client:
        events = [one for one in client.events(tenant=tenant, follow=False) if isinstance(one.record, PlanEnded)]
    results = {one.id: list(results_of(one, events)) for one in demo.scenarios}
    compared = real_input.compared(
        tenant, demo.scenarios, results, real_input.final_states(addresses.postgres, tenant), seconds
    )
    answers = sum(call.tool == MODEL_TOOL for one in events for call in one.record.results)
    return Led(demo.seed, compared, sum(found), len(model.requests), answers, tuple(killer.done))


def answered(client: Client, scenario: Scenario, turn: int, ended: Callable[[], None]) -> bool:
    """Asks a question of a scenario; whether it was answered with the word that is recorded."""
    said = tell(
        client,
        AGENT,
        {"text": scenario.questions[turn]},
        conversation=scenario.id,
        key=f"{scenario.id}/{turn}",
        sender=scenario.id,
        timeout_seconds=ANSWER_SECONDS,
    ).said
    ended()
    return said == ({"text": f"Done: {len(scenario.turns[turn])} calls."},)


def results_of(scenario: Scenario, events: Sequence[Event]) -> Iterator[list[str]]:
    """The results of each turn, as the agent's plans have them in their order; what is missing is said in words."""
    plans = iter(
        [
            one.record
            for one in events
            if one.record.meta.domain == scenario.id
            and one.record.agent == AGENT
            and one.record.results[0].tool != MODEL_TOOL
        ]
    )
    for turn in scenario.turns:
        plan = next(plans, None) if turn else None
        results = () if plan is None else plan.results
        yield [one.result if one.result is not None else json.dumps({"no result": one.outcome}) for one in results] or [
            "(no plan)"
        ] * len(turn)
