"""The leaderboard's scenarios in each mode: the same committed histories, plan by plan, or where they part.

Each scenario is written in two ways. As it is written a call uses its own object, so nearly all plans need somebody who keeps lines, and
the choreographed mode refuses them: how many is counted by trying. With versions each call says which version of its object it expects
(`plans.versioned`), which every mode admits. The choreographed rounds run while no coordinator does.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from motet.chassis.waiting import wait_until
from motet.client import Client, Outcome
from motet.demo import agents, real_input
from motet.demo.dataset import Scenario
from motet.demo.killer import Kill, Killer
from motet.demo.plans import scenario_plans, versioned
from motet.demo.real_input import RealInput
from motet.demo.run import Demo, counted, settle
from motet.modes import AGENTS, COORDINATOR
from motet.platform import Platform, ServiceSpec
from motet.records import Mode, SubmitPlan

GONE_SECONDS: Final = 30.0
REFUSED: Final = "NOT_CHOREOGRAPHABLE"
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Way:
    """How the scenarios are run: in which mode, and whether their calls expect versions."""

    mode: Mode
    versions: bool

    @property
    def name(self) -> str:
        """For people, and as a part of the tenant's name."""
        return f"{self.mode.lower()}{'-versions' if self.versions else ''}"

    def plans(self, scenario: Scenario) -> tuple[SubmitPlan, ...]:
        """A scenario's plans."""
        plans = scenario_plans(scenario)
        return tuple(replace(plan, mode=self.mode) for plan in (versioned(plans) if self.versions else plans))


REFERENCE: Final = Way("ORCHESTRATED", versions=False)
WITHOUT_COORDINATOR: Final = (Way("CHOREOGRAPHED", versions=False), Way("CHOREOGRAPHED", versions=True))
WITH_COORDINATOR: Final = (
    REFERENCE,
    Way("HYBRID", versions=False),
    Way("ORCHESTRATED", versions=True),
    Way("HYBRID", versions=True),
)
WAYS: Final = (*WITHOUT_COORDINATOR, *WITH_COORDINATOR)


@dataclass(frozen=True, slots=True)
class Round:
    """What came of one way: how many plans it admitted, how many of these have the history that the reference round gave them.

    `compared` are its results and states beside the serial run; None where plans were refused, so that states are not those.
    """

    way: Way
    tenant: str
    plans: int
    admitted: int
    histories: tuple[tuple[str | None, ...], ...]
    compared: RealInput | None
    kills: tuple[Kill, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """All rounds."""

    seed: int
    rounds: tuple[Round, ...]
    seconds: float

    def histories_equal(self, one: Round) -> int:
        """How many of a round's admitted plans have the history of the reference round."""
        reference = next(other for other in self.rounds if other.way == REFERENCE)
        return sum(
            have is not None and have == wanted
            for mine, theirs in zip(one.histories, reference.histories, strict=True)
            for have, wanted in zip(mine, theirs, strict=True)
        )

    def good(self, one: Round) -> bool:
        """Whether everything that a round admitted is equal."""
        return (one.compared is None or one.compared.equal) and self.histories_equal(one) == one.admitted

    @property
    def equal(self) -> bool:
        """Whether every equality holds."""
        return all(self.good(one) for one in self.rounds)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "equal": self.equal,
            "seed": self.seed,
            "rounds": [self.round_json(one) for one in self.rounds],
            "seconds": round(self.seconds, 1),
        }

    def round_json(self, one: Round) -> dict[str, Any]:
        """One round for programs."""
        compared = one.compared
        return {
            "mode": one.way.mode.lower(),
            "versions": one.way.versions,
            "coordinator": one.way not in WITHOUT_COORDINATOR,
            "tenant": one.tenant,
            "plans": one.plans,
            "admitted": one.admitted,
            "histories_equal": self.histories_equal(one),
            "calls": compared.calls if compared else None,
            "calls_equal": compared.calls_equal if compared else None,
            "scenarios": compared.scenarios if compared else None,
            "scenarios_equal": compared.scenarios_equal if compared else None,
            "differences": list(compared.differences) if compared else [],
            "killed": [{name: value for name, value in asdict(kill).items() if name != "pid"} for kill in one.kills],
            "seconds": round(one.seconds, 1),
        }


def run(demo: Demo, platform: Platform, coordinator: ServiceSpec, progress: Progress) -> Comparison:
    """All rounds: first those without a coordinator, which is stopped for them."""
    began = time.monotonic()
    chance = random.Random(demo.seed)  # noqa: S311  it has to be repeatable
    platform.remove_service(COORDINATOR)
    wait_until(lambda: not runs(platform, COORDINATOR), GONE_SECONDS, "the coordinator has ended")
    addresses = platform.addresses
    with Client(addresses.kafka, addresses.registry) as client:
        rounds = [one_round(way, demo, platform, client, chance, progress) for way in WITHOUT_COORDINATOR]
        if runs(platform, COORDINATOR):
            raise AssertionError("a coordinator was started by somebody else: these rounds prove nothing")
        platform.add_services([coordinator])
        rounds += [one_round(way, demo, platform, client, chance, progress) for way in WITH_COORDINATOR]
    settle(platform)
    return Comparison(demo.seed, tuple(rounds), time.monotonic() - began)


def runs(platform: Platform, service: str) -> bool:
    """Whether a service is among the platform's processes."""
    return any(one.name == service for one in platform.status())


def one_round(
    way: Way, demo: Demo, platform: Platform, client: Client, chance: random.Random, progress: Progress
) -> Round:
    """The scenarios once through, with kills on the way."""
    plans = sum(len(one.turns) + 1 for one in demo.scenarios)
    tools = [name for one in platform.status() if (name := one.name).startswith("tools-") and name != "tools-bank"]
    hosts = [host for host in (AGENTS, COORDINATOR) if runs(platform, host)]
    killer = Killer(platform, [*hosts, chance.choice(tools)], demo.kills, plans, chance)
    ended = counted(killer, way.name, plans, progress)
    tenant = f"{way.name}-{demo.run}"
    began = time.monotonic()
    if way == WITHOUT_COORDINATOR[0]:
        compared, histories = None, tried(client, tenant, way, demo.scenarios, ended)
    else:
        compared = real_input.run(client, platform.addresses.postgres, tenant, demo.scenarios, ended, way.plans)
        histories = compared.histories
    seconds = compared.seconds if compared is not None else time.monotonic() - began
    asked = sum(bool(plan.calls) for one in demo.scenarios for plan in way.plans(one))
    admitted = sum(history is not None for conversation in histories for history in conversation)
    return Round(way, tenant, asked, admitted, histories, compared, tuple(killer.done), seconds)


def tried(
    client: Client, tenant: str, way: Way, scenarios: Sequence[Scenario], ended: Callable[[], None]
) -> tuple[tuple[str | None, ...], ...]:
    """Submits every plan where many are refused, each for the one reason; histories of those that are not."""
    conversations = [[replace(plan, tenant=tenant) for plan in way.plans(one)] for one in scenarios]
    outcomes = agents.run_all(client, conversations, ended)
    return tuple(tuple(map(history_of, conversation)) for conversation in outcomes)


def history_of(outcome: Outcome) -> str | None:
    """A plan's history; None for one that this mode refuses. What failed for another reason is said in words, which equal nothing."""
    if {reason.code for reason in outcome.reasons} == {REFUSED}:
        return None
    return outcome.history_sha256 if outcome.status == "SUCCEEDED" else f"({outcome.status}: {outcome.reasons})"
