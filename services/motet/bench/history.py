"""Whether a long history makes the system slower: the same load, slice after slice, until so many calls are in the log and the tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from motet.bench import bare_hop, load
from motet.bench.load import Kind
from motet.bench.run import AT_ONCE, WARM_UP, bench_service, caught_up, settings_of
from motet.client import Client
from motet.platform import Platform, ServiceSpec, unprivileged
from motet.platform.servers import TO_STAY

SLICES: Final = 10
HOP_RECORDS: Final = 60_000
SIZE: Final = """
SELECT schemaname || '.' || relname, n_live_tup, pg_total_relation_size(relid) FROM pg_stat_user_tables
ORDER BY pg_total_relation_size(relid) DESC LIMIT 8
"""


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice: calls in the history when it began, calls a second, and processor time in microseconds a call and memory in bytes, by process."""

    calls_before: int
    calls_per_second: float
    cpu_us_per_call: dict[str, float]
    memory_bytes: dict[str, int]


@dataclass(frozen=True, slots=True)
class Table:
    """One of the largest tables at the end, with its indexes."""

    name: str
    rows: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Growth:
    """What was measured; the bare hop is measured before the first slice and after the last one, for the machine changes too."""

    calls_in_plan: int
    hop_before: float
    hop_after: float
    slices: tuple[Slice, ...]
    tables: tuple[Table, ...]
    projector_seconds_behind: float

    @property
    def kept(self) -> float:
        """Speed of the last slice by speed of the first."""
        return self.slices[-1].calls_per_second / self.slices[0].calls_per_second

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self) | {"kept": self.kept}


def run(
    directory: Path, services: Sequence[ServiceSpec], calls: int, kind: Kind, report: Callable[[str], None]
) -> Growth:
    """Measures. The platform is taken down at the end, and its data stays, for an audit or a rebuild of a long history."""
    unprivileged.remove(directory)
    report("starting empty servers")
    platform = Platform.up(directory, [], environment=TO_STAY)
    try:
        report("the bare hop")
        before = bare_hop.records_per_second(settings_of(platform), HOP_RECORDS)
        platform.add_services([*services, bench_service()])
        addresses = platform.addresses
        plans = max(1, calls // kind.calls // SLICES)
        slices = []
        with Client(addresses.kafka, addresses.registry, tenant="bench", agent="bench") as client:
            load.in_flight(client, WARM_UP, 32, kind)
            for number in range(SLICES):
                report(f"slice {number + 1} of {SLICES}: {plans * kind.calls:,} calls")
                slices.append(measure(platform, client, plans, kind, number))
        ended = time.monotonic()
        caught_up(platform)
        behind = time.monotonic() - ended
        with psycopg.connect(addresses.postgres) as connection:
            tables = tuple(Table(*row) for row in connection.execute(SIZE))
        report("the bare hop once more")
        after = bare_hop.records_per_second(settings_of(platform), HOP_RECORDS, "bench-feeder-again")
    finally:
        report("stopping")
        platform.down()
    return Growth(kind.calls, before, after, tuple(slices), tables, behind)


def measure(platform: Platform, client: Client, plans: int, kind: Kind, number: int) -> Slice:
    """One slice."""
    cpu = {one.name: one.cpu_seconds for one in platform.status()}
    rate = load.in_flight(client, plans, AT_ONCE, kind, first=WARM_UP + number * plans)
    after = platform.status()
    return Slice(
        number * plans * kind.calls,
        round(rate, 1),
        {one.name: round((one.cpu_seconds - cpu[one.name]) / (plans * kind.calls) * 1e6, 1) for one in after},
        {one.name: one.memory_bytes for one in after},
    )
