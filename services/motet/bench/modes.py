"""What each mode costs: the same plans in every mode that admits them, by turns, on servers of their own that are empty at first."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from motet.bench import bare_hop, load
from motet.bench.load import Kind
from motet.bench.run import bench_service, settings_of
from motet.client import Client
from motet.platform import Platform, ServiceSpec, unprivileged
from motet.platform.servers import TO_STAY

FREE: Final = "bench.note"
CLAIMS: Final = "bench.add"
ALONE: Final = Kind(FREE, "choreographed")
KINDS: Final = (
    Kind(FREE, "orchestrated"),
    Kind(FREE, "hybrid"),
    ALONE,
    Kind(CLAIMS, "orchestrated"),
    Kind(CLAIMS, "hybrid"),
)
ROUNDS: Final = 3
WARM_UP: Final = 200


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians over the rounds: one plan of 8 calls at a time, and calls a second with 32 plans in flight."""

    calls: str
    mode: str
    coordinator: bool
    plan_p50_ms: float
    plan_p99_ms: float
    in_flight_32_calls_per_second: float


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured, beside the bare hop of the same run."""

    hop_records_per_second: float
    modes: tuple[Cost, ...]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "hop_records_per_second": round(self.hop_records_per_second, 2),
            "modes": [
                {name: round(value, 2) if isinstance(value, float) else value for name, value in asdict(one).items()}
                for one in self.modes
            ],
        }


def run(directory: Path, services: Sequence[ServiceSpec], scale: float, report: Callable[[str], None]) -> Costs:
    """Measures; `scale` 1 is the full size. First without a coordinator. The platform is taken down and removed at the end."""
    unprivileged.remove(directory)
    report("starting empty servers")
    platform = Platform.up(directory, [], environment=TO_STAY)
    try:
        report("the bare hop")
        hop = bare_hop.records_per_second(settings_of(platform), int(60_000 * scale))
        report("no coordinator: choreographed")
        platform.add_services([*(one for one in services if one.name != "coordinator"), bench_service()])
        addresses = platform.addresses
        with Client(addresses.kafka, addresses.registry, tenant="bench", agent="bench") as client:
            costs = measure(client, [ALONE], scale, report, coordinator=False)
            platform.add_services([one for one in services if one.name == "coordinator"])
            costs += measure(client, KINDS, scale, report, coordinator=True)
    finally:
        report("stopping")
        platform.down()
        unprivileged.remove(directory)
    return Costs(hop, tuple(costs))


def measure(
    client: Client, kinds: Sequence[Kind], scale: float, report: Callable[[str], None], *, coordinator: bool
) -> list[Cost]:
    """Each kind in each round, by turns, so that a noisy moment is nobody's alone."""
    latencies: dict[Kind, list[list[float]]] = {kind: [] for kind in kinds}
    rates: dict[Kind, list[float]] = {kind: [] for kind in kinds}
    for kind in kinds:
        load.in_flight(client, int(WARM_UP * scale) + 8, 32, kind)
    for number in range(ROUNDS):
        for kind in kinds:
            report(f"round {number + 1} of {ROUNDS}: {kind.tool}, {kind.mode}")
            latencies[kind].append(load.one_by_one(client, int(150 * scale) + 20, kind))
            rates[kind].append(load.in_flight(client, int(600 * scale) + 32, 32, kind))
    return [
        Cost(
            kind.tool,
            kind.mode,
            coordinator,
            statistics.median(load.percentile(one, 0.5) for one in latencies[kind]),
            statistics.median(load.percentile(one, 0.99) for one in latencies[kind]),
            statistics.median(rates[kind]),
        )
        for kind in kinds
    ]
