"""A load on one peer: so many plans in flight for so long, each submitted when another one ended; then what that tells of speed."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.peers.work import Plan

# The first part of a run is not measured: until then the plans in flight have not spread over their ways.
RAMP: Final = 0.25
KILLED_AT: Final = 0.4
MOST_FAILURES_TOLD: Final = 3

Run = Callable[[Plan], Awaitable[Sequence[str | None]]]


@dataclass(frozen=True, slots=True)
class Ended:
    """One plan that ended, and when it began and ended, in seconds from the run's begin."""

    plan: Plan
    results: Sequence[str | None]
    began: float
    ended: float


@dataclass(slots=True)
class Flow:
    """A run: all plans that were submitted, those that ended, what failed, and the seconds between which it is measured."""

    measured_from: float
    measured_to: float
    submitted: list[Plan] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def calls_per_second(self) -> float:
        """Calls of plans that ended while it was measured, by that time."""
        calls = sum(len(one.plan.calls) for one in self.measured)
        return calls / (self.measured_to - self.measured_from)

    @property
    def measured(self) -> list[Ended]:
        """The plans that ended while it was measured."""
        return [one for one in self.ended if self.measured_from <= one.ended < self.measured_to]

    @property
    def latencies_ms(self) -> list[float]:
        """From submitting to the last result, sorted."""
        return sorted((one.ended - one.began) * 1000 for one in self.measured)

    @property
    def longest_pause_seconds(self) -> float:
        """The longest time in which no plan ended, from the ramp to the end of the last plan."""
        ends = sorted(one.ended for one in self.ended if one.ended >= self.measured_from)
        times = [self.measured_from, *ends]
        return max((later - sooner for sooner, later in itertools.pairwise(times)), default=math.inf)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of sorted values: the smallest that at least this share of all does not exceed; NaN of none."""
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


async def flow(
    run: Run,
    plans: Iterator[Plan],
    at_once: int,
    seconds: float,
    drain_seconds: float,
    kill: Callable[[], Awaitable[None]] | None = None,
) -> Flow:
    """Runs plans until the time is over, and waits for those in flight; who has not answered by then is lost.

    `seconds` are measured, after a ramp that is a share of them. `kill` is called once in mid-run.
    """
    found = Flow(RAMP * seconds, (1 + RAMP) * seconds)
    began = time.perf_counter()

    def now() -> float:
        return time.perf_counter() - began

    async def one_after_another() -> None:
        while now() < found.measured_to:
            plan = next(plans)
            found.submitted.append(plan)
            submitted = now()
            # Whatever a peer raises, the plan has no result: it is told and counted.
            (results,) = await asyncio.gather(run(plan), return_exceptions=True)
            if isinstance(results, BaseException):
                found.failures.append(f"{plan.name}: {type(results).__name__}: {results}")
                continue
            found.ended.append(Ended(plan, results, submitted, now()))

    async def kill_later() -> None:
        await asyncio.sleep(found.measured_from + KILLED_AT * seconds)
        if kill is not None:
            await kill()

    killing = asyncio.create_task(kill_later())
    loops = [asyncio.create_task(one_after_another()) for _ in range(at_once)]
    _, late = await asyncio.wait(loops, timeout=found.measured_to + drain_seconds)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    if kill is None:
        killing.cancel()
        await asyncio.gather(killing, return_exceptions=True)
    else:
        await killing
    return found
