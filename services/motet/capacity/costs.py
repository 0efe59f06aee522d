"""What one call costs each part of the system, as measured: data, with where each figure came from.

Everything has a part that a plan costs, a part that a call costs, and a part for what a call carries. The figures are of the saturated
system, where batches are full; a system at rest pays more for a call, and has the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from motet.chassis.errors import ConfigurationError

# Calls in a plan of the benchmark's saturated part (`motet.bench.run`), whose processes its JSON has as shares of a core.
BENCH_CALLS_IN_PLAN: Final = 8
MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Load:
    """What the price of a call follows from: calls in a plan, and bytes of arguments and result beyond the few of the measured ones."""

    calls_per_plan: float = float(BENCH_CALLS_IN_PLAN)
    payload_bytes: float = 0.0


@dataclass(frozen=True, slots=True)
class Price:
    """What a plan, a call and 1,000 bytes of what a call carries cost: in microseconds of a core, or in bytes."""

    plan: float
    call: float
    kilobyte: float = 0.0

    def of(self, load: Load) -> float:
        """For one call, its part of the plan included."""
        return self.call + self.plan / load.calls_per_plan + self.kilobyte * load.payload_bytes / 1_000

    def cores(self, calls_per_second: float, load: Load) -> float:
        """How many cores so many calls a second keep busy."""
        return self.of(load) * calls_per_second / MICROSECONDS

    def times(self, factor: float) -> Price:
        """Of a faster or a slower machine."""
        return Price(self.plan * factor, self.call * factor, self.kilobyte * factor)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a benchmark reached, to hold the model to: calls a second, with all of these cores busy."""

    calls_per_second: float
    cores: float
    load: Load
    source: str


@dataclass(frozen=True, slots=True)
class Costs:
    """All of it. `services` and `postgres` are by service; `turn_milliseconds` lie between two calls that take turns on a resource."""

    source: str
    services: Mapping[str, Price]
    postgres: Mapping[str, Price]
    kafka: Price
    client: Price
    kafka_bytes: Price
    wal_bytes: Price
    fsyncs: Price
    stored_bytes: Price
    turn_milliseconds: float
    measured: Measured

    def all_together(self, load: Load) -> float:
        """Microseconds of a core a call, clients included."""
        prices = (*self.services.values(), *self.postgres.values(), self.kafka, self.client)
        return sum(price.of(load) for price in prices)


# Two cores of an Intel Xeon at a cloud provider, everything on one machine, fsync on, deciders compiled, `bench.add` of motet.bench.toolset.
# Plans of 8 calls (16,000 calls) and plans of 1 (6,000 calls), 1,000 in flight; plans of 8 whose calls carry 1,000 bytes (12,000 calls). Other
# work had a part of the machine: processor time is by process and so its own, and some 5 to 15 % more than on a machine at rest.
NOVEMBER_2026: Final = Costs(
    source="27 November 2026, 2 cores (Intel Xeon), all on one machine, fsync on, deciders compiled, three runs",
    # Processor time of each process, from `motet status`, before the load and once the projector had everything.
    services={
        "coordinator": Price(590, 123, 40),
        "agents": Price(158, 10, 2),
        "projector": Price(310, 63, 2),
        "tools": Price(172, 157),
    },
    # Processor time of the server process of each service's connections, from /proc; writers of the server's own have less than 3 %.
    postgres={
        "coordinator": Price(94, 14, 15),
        "agents": Price(64, 4, 1),
        "projector": Price(158, 60, 4),
        "tools": Price(49, 56),
    },
    # The broker's process. One broker without copies: a cluster's followers read and write everything twice more (`REPLICATION_COST`).
    kafka=Price(732, 91, 20),
    client=Price(227, 24, 41),
    # Growth of the topics' files. What a call carries is in three records: the command, the admission and the invocation, or the result, the
    # commit and the plan's end.
    kafka_bytes=Price(2_535, 579, 3_000),
    # From pg_stat_wal, and from pg_stat_io: one fsync or little more for a hop's transaction, which takes a batch of many calls.
    wal_bytes=Price(10_605, 4_078, 2_620),
    fsyncs=Price(0.137, 0.015),
    # Growth of `motet` and of the tool service's ledger, indexes included.
    stored_bytes=Price(3_672, 2_059, 2_256),
    # Plans of 9 calls on one resource less plans of 1, by 8, one plan at a time (p50 of 80).
    turn_milliseconds=18.7,
    # `make bench` on the same kind of machine, at rest (README.md, "Speed").
    measured=Measured(2_502, 2, Load(), "make bench, November 2026, compiled"),
)
# What a broker does more where every record is there three times: it is written by two more, and read by them. Not measured: assumed.
REPLICATION_COST: Final = 2.0


def from_bench(found: Mapping[str, Any], known: Costs = NOVEMBER_2026) -> Costs:
    """Costs by the JSON of `motet bench` or `motet bench --history N`: the known ones, each scaled to what its process used there.

    What a run does not say (bytes, turns, the shares of services in PostgreSQL) stays. Raises ConfigurationError.
    """
    try:
        used, measured = of_history(found) if "slices" in found else of_run(found)
        measured = with_clients(measured, known)
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError) as error:
        raise ConfigurationError(
            f"that is no JSON of `motet bench` or `motet bench --history N`: {type(error).__name__} {error}"
        ) from error
    load = measured.load
    services = {name: scaled(price, used.get(name), load) for name, price in known.services.items()}
    together = sum(price.of(load) for price in known.postgres.values())
    factor = used.get("postgres", together) / together
    return replace(
        known,
        source=measured.source,
        services=services,
        postgres={name: price.times(factor) for name, price in known.postgres.items()},
        kafka=scaled(known.kafka, used.get("kafka"), load),
        measured=measured,
    )


def with_clients(measured: Measured, known: Costs) -> Measured:
    """A benchmark says what its servers used; its clients, in the process that measures, were busy too."""
    return replace(measured, cores=measured.cores + known.client.cores(measured.calls_per_second, measured.load))


def scaled(price: Price, used: float | None, load: Load) -> Price:
    """A price so that a call of a load costs what was used for it; as it is where nothing is known."""
    return price if used is None else price.times(used / price.of(load))


def of_run(found: Mapping[str, Any]) -> tuple[dict[str, float], Measured]:
    """Of a full run: shares of a core over the time of the load and of what the projector took longer."""
    rate, calls = float(found["saturated_calls_per_second"]), float(found["saturated_calls"])
    seconds = calls / rate + float(found["projector_seconds_behind"])
    used = {role(str(one["name"])): float(one["cores"]) * seconds / calls * MICROSECONDS for one in found["usage"]}
    cores = sum(float(one["cores"]) for one in found["usage"])
    return used, Measured(rate, cores, Load(), "a run of `motet bench`; cores are those that its processes kept busy")


def of_history(found: Mapping[str, Any]) -> tuple[dict[str, float], Measured]:
    """Of a long run: microseconds a call by process, those of its last slice."""
    last, load = found["slices"][-1], Load(float(found["calls_in_plan"]))
    used = {role(str(name)): float(value) for name, value in last["cpu_us_per_call"].items()}
    rate = float(last["calls_per_second"])
    return used, Measured(
        rate, rate * sum(used.values()) / MICROSECONDS, load, "the last slice of a run of `motet bench --history`"
    )


def role(process: str) -> str:
    """What a process is in the model."""
    return "tools" if process.startswith("tools-") else process
