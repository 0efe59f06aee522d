"""What stops when a service is killed, and for how long: plans of every kind one after another, while one process after another dies.

Each service is killed twice with SIGKILL. The first time it is started again at once, as the supervisor does; what counts is the longest time
without an end. The second time it stays away for a while; what counts is how many plans end meanwhile.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from motet.bench import load
from motet.bench.load import Kind
from motet.bench.run import bench_service
from motet.chassis.waiting import wait_until
from motet.client import Client
from motet.platform import Platform, ServiceSpec, unprivileged

KINDS: Final = (
    Kind("bench.add", "orchestrated"),
    Kind("bench.add", "hybrid"),
    Kind("bench.note", "hybrid"),
    Kind("bench.note", "choreographed"),
    Kind("other.echo", "orchestrated"),
)
VICTIMS: Final = ("coordinator", "agents", "tools-bench", "leases")
USUAL_SECONDS: Final = 5.0
DOWN_SECONDS: Final = 5.0
BACK_SECONDS: Final = 60.0
# So many plans of each kind must end before all is as before.
SETTLED_PLANS: Final = 3
WARM_UP: Final = 24


@dataclass(frozen=True, slots=True)
class Outage:
    """What one kind of plan noticed of one victim. In the usual time it has `usual_plans` in 5 s, and no longer pause than `usual_pause_seconds`."""

    killed: str
    calls: str
    mode: str
    usual_plans: int
    usual_pause_seconds: float
    pause_seconds: float
    plans_while_down: int
    first_plan_seconds: float


@dataclass(slots=True)
class Flow:
    """Plans of one kind, one after another: when each ended, by the monotonic clock."""

    kind: Kind
    ends: list[float] = field(default_factory=list)

    def run(self, client: Client, stop: threading.Event) -> None:
        """Goes on until told to stop. Raises LoadFailed."""
        number = 0
        while not stop.is_set():
            future = load.plan(client, number, self.kind, self.kind.mode)
            while not future.done() and not stop.is_set():
                wait([future], timeout=0.1)
            if future.done():
                load.check(future.result())
                self.ends.append(time.monotonic())
            number += 1

    def between(self, begin: float, end: float) -> list[float]:
        """The ends in some time."""
        return [at for at in self.ends if begin <= at < end]

    def pause(self, begin: float, end: float) -> float:
        """The longest time without an end."""
        return max(later - sooner for sooner, later in pairwise([begin, *self.between(begin, end), end]))


class Flows:
    """All kinds at once."""

    def __init__(self, running: Sequence[Future[None]], flows: Sequence[Flow]) -> None:
        self.running = running
        self.flows = flows

    def await_ends(self, since: float, count: int) -> None:
        """Waits until so many plans of each kind ended since a time. Raises LoadFailed."""

        def there() -> bool:
            for one in self.running:
                if one.done():
                    one.result()
            return all(len(flow.between(since, time.monotonic())) >= count for flow in self.flows)

        wait_until(there, BACK_SECONDS, "plans of every kind end")


@contextmanager
def flowing(client: Client) -> Iterator[Flows]:
    """Plans of every kind, a thread each."""
    stop = threading.Event()
    flows = [Flow(kind) for kind in KINDS]
    with ThreadPoolExecutor(len(flows)) as threads:
        try:
            yield Flows([threads.submit(flow.run, client, stop) for flow in flows], flows)
        finally:
            stop.set()


def run(directory: Path, services: Sequence[ServiceSpec], report: Callable[[str], None]) -> list[Outage]:
    """Kills each victim twice, on servers of its own. The platform is taken down and removed at the end."""
    unprivileged.remove(directory)
    report("starting empty servers")
    known = {one.name: one for one in (*services, bench_service(), bench_service("other", "motet.bench.other_toolset"))}
    platform = Platform.up(directory, list(known.values()))
    try:
        addresses = platform.addresses
        with Client(addresses.kafka, addresses.registry, tenant="bench", agent="bench") as client:
            for kind in KINDS:
                load.in_flight(client, WARM_UP, 8, kind)
            with flowing(client) as flows:
                report("the usual time")
                flows.await_ends(time.monotonic(), SETTLED_PLANS)
                began = time.monotonic()
                threading.Event().wait(USUAL_SECONDS)
                usual = began, time.monotonic()
                return [
                    outage for victim in VICTIMS for outage in outages(platform, known[victim], flows, usual, report)
                ]
    finally:
        report("stopping")
        platform.down()
        unprivileged.remove(directory)


def outages(
    platform: Platform, victim: ServiceSpec, flows: Flows, usual: tuple[float, float], report: Callable[[str], None]
) -> list[Outage]:
    """Both deaths of one victim."""
    report(f"{victim.name} is killed, and started again")
    restarts = next(one.restarts for one in platform.status() if one.name == victim.name)
    killed = kill(platform, victim.name)
    platform.await_process(victim.name, lambda one: one.restarts > restarts and one.state == "ready", BACK_SECONDS)
    flows.await_ends(time.monotonic(), SETTLED_PLANS)
    settled = time.monotonic()
    report(f"{victim.name} is killed, and stays away for {DOWN_SECONDS:g} s")
    kill(platform, victim.name)
    platform.remove_service(victim.name)
    wait_until(lambda: all(one.name != victim.name for one in platform.status()), BACK_SECONDS, "it is gone")
    down = time.monotonic()
    threading.Event().wait(DOWN_SECONDS)
    up = time.monotonic()
    platform.add_services([victim])
    ready = time.monotonic()
    flows.await_ends(ready, SETTLED_PLANS)
    return [
        Outage(
            *(victim.name, flow.kind.tool, flow.kind.mode),
            *(len(flow.between(*usual)), flow.pause(*usual), flow.pause(killed, settled)),
            *(len(flow.between(down, up)), max(0.0, next(at for at in flow.ends if at >= up) - ready)),
        )
        for flow in flows.flows
    ]


def kill(platform: Platform, name: str) -> float:
    """SIGKILL; when, by the monotonic clock."""
    pid = platform.pid(name)
    if pid is None:
        raise load.LoadFailed(f"{name} does not run, and should be killed now")
    os.kill(pid, signal.SIGKILL)
    return time.monotonic()


def as_json(found: Sequence[Outage]) -> list[dict[str, Any]]:
    """For programs."""
    return [
        {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(one).items()}
        for one in found
    ]
