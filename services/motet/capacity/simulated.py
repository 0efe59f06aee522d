"""What averages hide: plans of domains, some wanted more often than others, on thousands of partitions, hop by hop; seeded.

A domain is in one partition and a partition in one process, as in the real system: the same hash, and the same range assignment. Each
process of the coordinator and of the projector takes one thing at a time. A plan visits its coordinator twice, with its command and with its
results; what it wrote then goes to the projector's process of the same partition. Service times are the measured ones, spread as if
exponentially. Batches are not simulated: a real process takes what waits together, which costs less.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Final

from motet.capacity.costs import MICROSECONDS, Costs
from motet.capacity.model import Demand, Terms, enough
from motet.chassis.identity import domain_key, partition_of

COORDINATOR: Final = "coordinator"
PROJECTOR: Final = "projector"
# Which visit it is that a plan waits for.
COMMAND: Final = 0
RESULTS: Final = 1
EVENTS: Final = 2
VISITS: Final = 2
# Plans that a partition needs for its own percentiles.
ENOUGH_PLANS: Final = 20


@dataclass(frozen=True, slots=True)
class Scene:
    """What is simulated: partitions, domains, how unevenly these are wanted (Zipf's exponent; 0 is evenly), plans, and the seed."""

    partitions: int = 10_000
    domains: int = 200_000
    zipf: float = 0.5
    plans: int = 200_000
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Waits:
    """How long things waited for a service, in milliseconds: all of them, and the p99 of each partition that had enough of them.

    `fullest` is the share of its time that the busiest process works; above 1 its queue grows without end. `imbalance` is that by the mean.
    """

    service: str
    processes: int
    mean_utilisation: float
    fullest: float
    p50: float
    p99: float
    partition_p99_median: float
    partition_p99_worst: float

    @property
    def imbalance(self) -> float:
        """How much busier the busiest process is than the mean."""
        return self.fullest / self.mean_utilisation


@dataclass(frozen=True, slots=True)
class Run:
    """What was found. `busiest_domain` is its share of all plans, `empty` how many partitions no domain is in."""

    scene: Scene
    seconds: float
    busiest_domain: float
    empty: int
    busiest_partition: float
    waits: tuple[Waits, ...]


class Servers:
    """The processes of one service: partitions are given out in ranges, and each process takes one thing at a time."""

    def __init__(self, service: str, microseconds: float, rate: float, terms: Terms, shares: Sequence[float]) -> None:
        self.service = service
        self.seconds = microseconds / MICROSECONDS
        self.processes = min(len(shares), enough(rate * self.seconds, terms, 1.0))
        self.of_partition = [partition * self.processes // len(shares) for partition in range(len(shares))]
        self.share = [0.0] * self.processes
        for partition, share in enumerate(shares):
            self.share[self.of_partition[partition]] += share
        self.mean_utilisation = rate * self.seconds / self.processes
        self.free_at = [0.0] * self.processes
        self.waits: list[list[float]] = [[] for _ in shares]

    def visit(self, partition: int, now: float, seconds: float) -> float:
        """Something comes to a partition's process; when that has done it."""
        process = self.of_partition[partition]
        begins = max(now, self.free_at[process])
        self.waits[partition].append(begins - now)
        self.free_at[process] = begins + seconds
        return begins + seconds

    def found(self) -> Waits:
        """What came of it."""
        everything = sorted(wait for waits in self.waits for wait in waits)
        own = sorted(percentile(sorted(waits), 0.99) for waits in self.waits if len(waits) >= ENOUGH_PLANS)
        fullest = max(self.share) * self.mean_utilisation * self.processes
        return Waits(
            *(self.service, self.processes, self.mean_utilisation, fullest),
            *(percentile(everything, 0.5) * 1_000, percentile(everything, 0.99) * 1_000),
            *(percentile(own, 0.5) * 1_000, (own[-1] if own else 0.0) * 1_000),
        )


def simulate(scene: Scene, demand: Demand, terms: Terms, costs: Costs) -> Run:
    """Plans come at random times; everything that follows from the seed is the same each time."""
    chance = Random(scene.seed)  # noqa: S311  no secret
    domains = [1.0 / rank**scene.zipf for rank in range(1, scene.domains + 1)]
    total = sum(domains)
    shares = [0.0] * scene.partitions
    for number, weight in enumerate(domains):
        shares[partition_of(domain_key("tenant", f"d{number}"), scene.partitions)] += weight / total
    load, plans_per_second = demand.load, demand.calls_per_second / demand.calls_per_plan
    coordinator, projector = (
        Servers(name, costs.services[name].of(load) * demand.calls_per_plan, plans_per_second, terms, shares)
        for name in (COORDINATOR, PROJECTOR)
    )
    away = turn_away(demand, costs)
    bounds = list(accumulate(shares))
    due: list[tuple[float, int, int]] = []
    now = 0.0
    for _ in range(scene.plans):
        now += chance.expovariate(plans_per_second)
        run_until(now, due, coordinator, projector, away, chance)
        heapq.heappush(due, (now, COMMAND, min(bisect_left(bounds, chance.random()), scene.partitions - 1)))
    run_until(float("inf"), due, coordinator, projector, away, chance)
    return Run(
        *(scene, now, domains[0] / total, sum(1 for share in shares if not share), max(shares)),
        (coordinator.found(), projector.found()),
    )


def turn_away(demand: Demand, costs: Costs) -> float:
    """How long a plan's calls are away from its coordinator, in seconds: the tools' hop, and the effect."""
    return costs.turn_milliseconds / 2_000 + demand.tool_seconds


def run_until(
    end: float,
    due: list[tuple[float, int, int]],
    coordinator: Servers,
    projector: Servers,
    away: float,
    chance: Random,
) -> None:
    """Everything that is due by a time, in order. What a plan's second visit wrote, and its first, goes on to the projector at once."""
    while due and due[0][0] <= end:
        now, what, partition = heapq.heappop(due)
        if what == EVENTS:
            projector.visit(partition, now, spread(projector, chance))
            continue
        done = coordinator.visit(partition, now, spread(coordinator, chance))
        heapq.heappush(due, (done, EVENTS, partition))
        if what == COMMAND:
            heapq.heappush(due, (done + away, RESULTS, partition))


def spread(servers: Servers, chance: Random) -> float:
    """One visit's time: half of what a plan takes there, as if exponentially distributed."""
    return chance.expovariate(VISITS / servers.seconds)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of sorted values; 0 of none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
