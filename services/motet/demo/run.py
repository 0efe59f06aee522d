"""The main job from beginning to end, on a platform that is up."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from motet.chassis.lag import lag_of
from motet.chassis.waiting import wait_until
from motet.client import Client
from motet.demo import bank, contention, real_input
from motet.demo.contention import Contention
from motet.demo.dataset import Scenario
from motet.demo.killer import Kill, Killer
from motet.demo.real_input import RealInput
from motet.platform import Platform

SETTLED_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo asks for. The same seed makes the same transfers and picks the same moments to kill."""

    seed: int
    run: str
    scenarios: Sequence[Scenario]
    transfers: int
    kills: int


@dataclass(frozen=True, slots=True)
class Result:
    """What came of both halves."""

    seed: int
    real_input: RealInput
    contention: Contention
    kills: tuple[Kill, ...]
    seconds: float

    @property
    def equal(self) -> bool:
        """Whether every equality holds."""
        return self.real_input.equal and self.contention.equal

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        first, second = self.real_input, self.contention
        return {
            "equal": self.equal,
            "seed": self.seed,
            "scenarios": first.scenarios,
            "scenarios_equal": first.scenarios_equal,
            "turns": first.turns,
            "calls": first.calls,
            "calls_equal": first.calls_equal,
            "kills": len(self.kills),
            "killed": [{"service": one.service, "after_plans": one.after_plans} for one in self.kills],
            "transfers": second.transfers,
            "transfers_refused": second.refused,
            "transfers_equal": second.results_equal,
            "effects": second.effects,
            "balances_equal": second.balances_equal,
            "money_conserved": second.money_before == second.money_after,
            "tenants": [first.tenant, second.tenant],
            "differences": list(first.differences),
            "seconds": round(self.seconds, 1),
        }


def run(demo: Demo, platform: Platform, progress: Callable[[str, int, int], None]) -> Result:
    """Runs both halves, killing on the way, and waits until every service has caught up.

    `progress` is told a half's name, how many of its plans have ended, and of how many.
    """
    addresses = platform.addresses
    services = [one.name for one in platform.status() if one.kind == "service"]
    tool_services = [name for name in services if name.startswith("tools-")]
    chance = random.Random(demo.seed)  # noqa: S311  it has to be repeatable
    began = time.monotonic()
    with Client(addresses.kafka, addresses.registry) as client:
        plans = sum(len(one.turns) + 1 for one in demo.scenarios)
        used = [name for name in tool_services if name != "tools-bank"]
        first_killer = Killer(platform, ["coordinator", chance.choice(used)], demo.kills, plans, chance)
        first = real_input.run(
            client,
            addresses.postgres,
            f"bfcl-{demo.run}",
            demo.scenarios,
            counted(first_killer, "real input", plans, progress),
        )
        plans = -(-demo.transfers // bank.CALLS_A_PLAN)
        second_killer = Killer(platform, ["coordinator", "tools-bank"], demo.kills, plans, chance)
        second = contention.run(
            client,
            addresses.postgres,
            f"bank-{demo.run}",
            demo.seed,
            demo.transfers,
            counted(second_killer, "contention", plans, progress),
        )
    seconds = time.monotonic() - began
    settle(platform)
    return Result(demo.seed, first, second, (*first_killer.done, *second_killer.done), seconds)


def settle(platform: Platform) -> None:
    """Waits until every service has caught up."""
    services = [one.name for one in platform.status() if one.kind == "service"]
    wait_until(
        lambda: not any(sum(topics.values()) for topics in lag_of(platform.addresses.kafka, services).values()),
        SETTLED_SECONDS,
        "every service has taken every record (lag 0)",
    )


def counted(killer: Killer, half: str, plans: int, progress: Callable[[str, int, int], None]) -> Callable[[], None]:
    """What is called when a plan has ended."""

    def ended() -> None:
        killer.plan_ended()
        progress(half, killer.ended, plans)

    return ended
