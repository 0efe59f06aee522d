"""From calls a second to a topology: processes, machines, databases, brokers, partitions, disk; its bottleneck, and what no machine helps.

Loads add up, so a part needs its cores divided by the share of them that may be used. What cannot be divided has a ceiling: a process of
Python uses one core, a service's rows of one cell are in one database, and calls that write one resource take turns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final, Literal

from motet.capacity.costs import REPLICATION_COST, Costs, Load

SECONDS_A_DAY: Final = 86_400
GIGABYTE: Final = 1_000_000_000
MEGABYTE: Final = 1_000_000
REPLICATION: Final = 3
# A machine is lost and the others go on: that many more than the load needs.
SPARE: Final = 1
# Keys spread unevenly, and partitions of a topic with keys are never added: so many for each process of the busiest service at least.
PARTITIONS_A_PROCESS: Final = 4
FEWEST_PARTITIONS: Final = 4
# What a service's process takes at most in a benchmark.
PROCESS_GIGABYTES: Final = 0.17
# A database and its standby.
COPIES: Final = 2

Kind = Literal["process", "machine", "database", "broker", "turn"]


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of the system.

    `hot_share` is the share of calls that write the most wanted resource, `domain_share` that of the busiest domain; `tool_seconds` is how
    long a call's effect takes outside of the tool service's own processor, such as waiting for an answer.
    """

    calls_per_second: float
    calls_per_plan: float = 8.0
    payload_bytes: float = 0.0
    hot_share: float = 0.0
    domain_share: float = 0.0
    tool_seconds: float = 0.0

    @property
    def load(self) -> Load:
        """What the price of a call follows from."""
        return Load(self.calls_per_plan, self.payload_bytes)


@dataclass(frozen=True, slots=True)
class Terms:
    """What it is built from: a machine's cores and memory, the share of both that may be used, effects that a tool process runs at once, days kept."""

    cores: int = 8
    memory_gigabytes: float = 32.0
    target: float = 0.6
    tool_threads: int = 16
    retention_days: float = 30.0


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the topology. `load` is in cores, of what takes turns the time that it is taken; `utilisation` is that with one machine lost."""

    name: str
    kind: Kind
    count: int
    load: float
    utilisation: float


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What no further machine moves: calls a second at most, all in all, and why."""

    name: str
    calls_per_second: float
    why: str


@dataclass(frozen=True, slots=True)
class Topology:
    """The answer. `cells` are installations beside each other, each with tenants of its own and so many `partitions` a topic; more than one
    where one database is not enough for a service.
    """

    demand: Demand
    terms: Terms
    parts: tuple[Part, ...]
    ceilings: tuple[Ceiling, ...]
    cells: int
    partitions: int
    kafka_gigabytes_a_day: float
    postgres_gigabytes_a_day: float
    wal_megabytes_a_second: float
    fsyncs_a_second: float
    in_flight: float

    @property
    def bottleneck(self) -> Part:
        """The part that is used most: the first one that more calls would be too much for."""
        return max(self.parts, key=lambda part: part.utilisation)

    @property
    def feasible(self) -> bool:
        """Whether nothing is used more than it may be. Only what takes turns can be: everything else is given more machines."""
        return all(part.utilisation <= self.terms.target * (1 + 1e-9) for part in self.parts)

    @property
    def within(self) -> float:
        """Calls a second at which what is used most is used as much as it may be, if nothing else changes."""
        return self.demand.calls_per_second * self.terms.target / self.bottleneck.utilisation

    @property
    def machines(self) -> int:
        """Machines of all kinds."""
        return sum(
            part.count * (COPIES if part.kind == "database" else 1) for part in self.parts if part.kind in MACHINES
        )

    @property
    def disk_gigabytes(self) -> float:
        """What is kept at the end of the time that it is kept."""
        return (self.kafka_gigabytes_a_day + self.postgres_gigabytes_a_day) * self.terms.retention_days


MACHINES: Final = ("machine", "database", "broker")


def plan(demand: Demand, terms: Terms, costs: Costs) -> Topology:
    """The smallest topology that carries a load with one machine of each kind lost."""
    rate, load = demand.calls_per_second, demand.load
    services = {name: price.cores(rate, load) for name, price in costs.services.items()}
    databases = {name: price.cores(rate, load) for name, price in costs.postgres.items()}
    in_flight = rate * demand.tool_seconds
    processes = [*processes_of(services, in_flight, terms)]
    cells = max([1, *(enough(cores, terms) for cores in databases.values())])
    parts = (
        *processes,
        hosts(sum(services.values()), sum(part.count for part in processes), terms),
        *databases_of(databases, terms),
        brokers(costs.kafka.cores(rate, load) * REPLICATION_COST, cells, terms),
        *turns(demand, costs),
    )
    busiest = max(part.count for part in processes)
    daily = rate * SECONDS_A_DAY / GIGABYTE
    return Topology(
        demand,
        terms,
        parts,
        tuple(ceilings(demand, costs)),
        cells,
        partitions_for(ceil(busiest / cells)),
        costs.kafka_bytes.of(load) * REPLICATION * daily,
        costs.stored_bytes.of(load) * COPIES * daily,
        costs.wal_bytes.of(load) * rate / MEGABYTE,
        costs.fsyncs.of(load) * rate,
        in_flight,
    )


def enough(load: float, terms: Terms, each: float | None = None) -> int:
    """How many carry a load within the target; each is a machine, unless its size is given. One at least."""
    return max(1, ceil(load / ((terms.cores if each is None else each) * terms.target)))


def processes_of(services: Mapping[str, float], in_flight: float, terms: Terms) -> Iterator[Part]:
    """Processes: each uses one core at most. Those of tools are enough for the effects in flight too (Little's law: rate times time)."""
    for name, cores in services.items():
        count = enough(cores, terms, 1.0)
        if name == "tools":
            count = max(count, enough(in_flight, terms, terms.tool_threads))
            used = max(cores / count, in_flight / (count * terms.tool_threads))
        else:
            used = cores / count
        yield Part(name, "process", count, cores, used)


def hosts(cores: float, processes: int, terms: Terms) -> Part:
    """Machines for all services' processes, among which these can be divided at will: enough for their processors and their memory."""
    memory = processes * PROCESS_GIGABYTES
    needed = max(enough(cores, terms), enough(memory, terms, terms.memory_gigabytes))
    used = max(cores / terms.cores, memory / terms.memory_gigabytes) / needed
    return Part("services", "machine", needed + SPARE, cores, used)


def databases_of(databases: Mapping[str, float], terms: Terms) -> Iterator[Part]:
    """One database for all services while a machine carries it; otherwise each service has its own, one a cell or less."""
    together = sum(databases.values())
    if enough(together, terms) == 1:
        yield Part("postgres", "database", 1, together, together / terms.cores)
        return
    for name, cores in databases.items():
        count = enough(cores, terms)
        yield Part(f"postgres of {name}", "database", count, cores, cores / (count * terms.cores))


def brokers(cores: float, cells: int, terms: Terms) -> Part:
    """A cluster a cell, each with so many brokers that every record is there three times, also when one is lost in each."""
    count = max(enough(cores, terms) + SPARE * cells, REPLICATION * cells)
    return Part("kafka", "broker", count, cores, cores / ((count - SPARE * cells) * terms.cores))


def turns(demand: Demand, costs: Costs) -> Iterator[Part]:
    """What takes turns: calls on the most wanted resource, and everything of the busiest domain in one process."""
    if demand.hot_share:
        used = demand.calls_per_second * demand.hot_share * turn_seconds(demand, costs)
        yield Part("hottest resource", "turn", 1, used, used)
    if demand.domain_share:
        used = demand.calls_per_second * demand.domain_share * busiest_seconds(demand, costs)
        yield Part("busiest domain", "turn", 1, used, used)


def ceilings(demand: Demand, costs: Costs) -> Iterator[Ceiling]:
    """The same as calls a second, all in all."""
    if demand.hot_share:
        turn = turn_seconds(demand, costs)
        yield Ceiling(
            "hottest resource",
            1 / turn / demand.hot_share,
            f"calls that write it take turns of {turn * 1_000:.1f} ms: {1 / turn:,.0f} a second, on any number of machines",
        )
    if demand.domain_share:
        seconds = busiest_seconds(demand, costs)
        yield Ceiling(
            "busiest domain",
            1 / seconds / demand.domain_share,
            f"a domain is in one partition, and a partition in one process: {1 / seconds:,.0f} calls a second",
        )


def turn_seconds(demand: Demand, costs: Costs) -> float:
    """From a call's start on a resource to the next one's: two hops and the effect."""
    return costs.turn_milliseconds / 1_000 + demand.tool_seconds


def busiest_seconds(demand: Demand, costs: Costs) -> float:
    """What a call costs the service that needs most of a core for it."""
    return max(price.of(demand.load) for price in costs.services.values()) / 1_000_000


def partitions_for(processes: int) -> int:
    """A power of two, so that processes share them evenly whenever there are twice as many."""
    wanted = max(FEWEST_PARTITIONS, PARTITIONS_A_PROCESS * processes)
    return 1 << ceil(wanted - 1).bit_length()


def saturated(costs: Costs, cores: float, load: Load) -> float:
    """Calls a second at which so many cores, with everything on them and clients too, are busy: what a benchmark on one machine reaches."""
    return cores * 1_000_000 / costs.all_together(load)
