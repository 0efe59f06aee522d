"""The benchmark from beginning to end, on a platform of its own that is empty when it begins."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from motet.bench import bare_hop, load
from motet.chassis.lag import lag_of
from motet.chassis.settings import Settings
from motet.chassis.waiting import wait_until
from motet.client import Client
from motet.platform import Platform, ServiceSpec, unprivileged
from motet.platform.servers import TO_STAY

WARM_UP: Final = 4_000
WARM_UP_AT_ONCE: Final = 64
CAUGHT_UP_SECONDS: Final = 300.0
AT_ONCE: Final = 1_000
CALLS_IN_PLAN: Final = 8


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process used while the system was saturated: cores, and resident memory in bytes at the end."""

    name: str
    cores: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured."""

    hop_records_per_second: float
    plan_p50_ms: float
    plan_p99_ms: float
    in_flight_32_calls_per_second: float
    saturated_calls_per_second: float
    projector_seconds_behind: float
    usage: tuple[Usage, ...]
    # How many calls the saturated part had.
    saturated_calls: int = 48_000

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {name: round(value, 2) if isinstance(value, float) else value for name, value in asdict(self).items()}


def run(directory: Path, services: Sequence[ServiceSpec], scale: float, report: Callable[[str], None]) -> Figures:
    """Measures everything; `scale` 1 is the full size. The platform is taken down and removed at the end."""
    unprivileged.remove(directory)
    report("starting empty servers")
    platform = Platform.up(directory, [], environment=TO_STAY)
    try:
        addresses = platform.addresses
        report("the bare hop")
        hop = bare_hop.records_per_second(settings_of(platform), int(100_000 * scale))
        report("starting the services")
        platform.add_services([*services, bench_service()])
        with Client(addresses.kafka, addresses.registry, tenant="bench", agent="bench") as client:
            load.in_flight(client, int(WARM_UP * scale) + 8, WARM_UP_AT_ONCE)
            report("one plan at a time")
            latencies = load.one_by_one(client, int(400 * scale) + 20)
            report("32 plans in flight")
            few = load.in_flight(client, int(3_000 * scale), 32)
            report("saturated")
            before = {one.name: one.cpu_seconds for one in platform.status()}
            began = time.monotonic()
            plans = int(6_000 * scale)
            many = load.in_flight(client, plans, AT_ONCE)
            ended = time.monotonic()
        caught_up(platform)
        behind = time.monotonic() - ended
        usage = tuple(
            Usage(
                one.name, (one.cpu_seconds - before.get(one.name, 0.0)) / (time.monotonic() - began), one.memory_bytes
            )
            for one in platform.status()
        )
    finally:
        report("stopping")
        platform.down()
        unprivileged.remove(directory)
    p50, p99 = (load.percentile(latencies, part) for part in (0.5, 0.99))
    return Figures(hop, p50, p99, few, many, behind, usage, plans * CALLS_IN_PLAN)


def caught_up(platform: Platform) -> None:
    """Waits until the projector has read everything."""
    wait_until(
        lambda: not sum(lag_of(platform.addresses.kafka, ["projector"])["projector"].values()),
        CAUGHT_UP_SECONDS,
        "the projector is at the end",
    )


def settings_of(platform: Platform) -> Settings:
    """The settings of a service on a platform."""
    addresses = platform.addresses
    return Settings(
        kafka_bootstrap=addresses.kafka,
        postgres_url=addresses.postgres,
        schema_registry_url=addresses.registry,
        log_level="error",
    )


def bench_service(name: str = "bench", module: str = "motet.bench.toolset") -> ServiceSpec:
    """The benchmark's tools, or another toolset of it."""
    return ServiceSpec(f"tools-{name}", (sys.executable, "-m", "motet", "tools", "serve", module))
