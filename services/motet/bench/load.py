"""Plans of 8 calls, or as many as are asked for, as a load: one after another, or so many in flight; in any mode, with calls that use a resource or none."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from motet.chassis.errors import MotetError
from motet.client import Call, Client, Mode, Outcome

CALLS: Final = 8
# More than are ever in flight, so that plans in flight share nothing.
DOMAINS: Final = 4_096
SECONDS: Final = 300.0


class LoadFailed(MotetError):
    """A plan of the load did not succeed: its figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What plans of a load are like: `bench.add` uses a resource, `bench.note` none."""

    tool: str = "bench.add"
    mode: Mode = "orchestrated"
    calls: int = CALLS


USUAL: Final = Kind()


def plan(client: Client, number: int, kind: Kind = USUAL, place: str = "d") -> Future[Outcome]:
    """Submits the plan of a number; `place` begins its domain's name."""
    calls = [Call(kind.tool, {"name": f"c{index}", "amount": 1}) for index in range(kind.calls)]
    return client.submit(calls, domain=f"{place}{number % DOMAINS}", mode=kind.mode).future


def one_by_one(client: Client, plans: int, kind: Kind = USUAL) -> list[float]:
    """Latencies in milliseconds, submit to terminal event, sorted."""
    out = []
    for number in range(plans):
        began = time.perf_counter()
        check(plan(client, number, kind).result(SECONDS))
        out.append((time.perf_counter() - began) * 1000)
    return sorted(out)


def in_flight(client: Client, plans: int, at_once: int, kind: Kind = USUAL, first: int = 0) -> float:
    """Calls a second with so many plans in flight; `first` is the number of the first plan."""
    room = threading.Semaphore(at_once)
    futures = []
    began = time.perf_counter()
    for number in range(first, first + plans):
        room.acquire()
        future = plan(client, number, kind)
        future.add_done_callback(lambda _: room.release())
        futures.append(future)
    for future in futures:
        check(future.result(SECONDS))
    return plans * kind.calls / (time.perf_counter() - began)


def check(outcome: Outcome) -> None:
    """Raises LoadFailed unless the plan succeeded."""
    if outcome.status != "SUCCEEDED":
        raise LoadFailed(f"plan {outcome.plan_id} ended {outcome.status}: {outcome.reasons or outcome.results[0]}")


def percentile(ordered: list[float], share: float) -> float:
    """The nearest-rank percentile of sorted values."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
