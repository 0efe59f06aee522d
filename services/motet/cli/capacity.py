"""`motet plan-capacity`: what a load needs, where it ends, and what a million calls cost, from measured costs."""

from __future__ import annotations

import json as jsonlib
import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from motet.capacity.costs import NOVEMBER_2026, Costs, from_bench
from motet.capacity.model import Demand, Part, Terms, Topology, plan, saturated
from motet.capacity.price import Bill, Prices, bill
from motet.capacity.simulated import Run, Scene, simulate
from motet.chassis.errors import ConfigurationError
from motet.cli.output import JsonOption, console, show, table

TERMS: Final = Terms()
PRICES: Final = Prices()
SCENE: Final = Scene()
KIND: Final = {
    "process": "processes",
    "machine": "machines",
    "database": "servers, each with a standby",
    "broker": "machines",
    "turn": "-",
}


def plan_capacity(
    calls_per_second: Annotated[float, typer.Option(min=0.001, help="Calls a second, at the busiest time.")],
    calls_per_plan: Annotated[float, typer.Option(min=1.0, max=256.0, help="Calls in a plan.")] = 8.0,
    payload_bytes: Annotated[float, typer.Option(min=0.0, help="Arguments and result of a call, as JSON.")] = 0.0,
    hot_share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="The share of calls that write the most wanted resource.")
    ] = 0.0,
    domain_share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="The share of calls in the busiest domain.")
    ] = 0.0,
    tool_seconds: Annotated[
        float, typer.Option(min=0.0, help="How long a call's effect waits for others, such as a service's answer.")
    ] = 0.0,
    tool_threads: Annotated[
        int, typer.Option(min=1, help="Effects that a tool process runs at once: MOTET_TOOL_THREADS.")
    ] = TERMS.tool_threads,
    cores: Annotated[int, typer.Option(min=1, help="Cores of a machine.")] = TERMS.cores,
    memory: Annotated[float, typer.Option(min=1.0, help="Memory of a machine, in GB.")] = TERMS.memory_gigabytes,
    target: Annotated[
        float, typer.Option(min=0.05, max=0.95, help="The share of anything that may be used, with one machine lost.")
    ] = TERMS.target,
    retention_days: Annotated[
        float, typer.Option(min=0.0, help="How long log and tables keep it.")
    ] = TERMS.retention_days,
    core_hour: Annotated[
        float, typer.Option(min=0.0, help="Price of a core for an hour, with its memory.")
    ] = PRICES.core_hour,
    gigabyte_month: Annotated[
        float, typer.Option(min=0.0, help="Price of a GB of disk for a month.")
    ] = PRICES.gigabyte_month,
    costs: Annotated[
        Path | None,
        typer.Option(help="The JSON of `motet bench` or `motet bench --history N` on your machine, instead of ours."),
    ] = None,
    simulated: Annotated[
        int, typer.Option("--simulate", min=0, max=100_000, help="Simulate so many partitions as well, in seconds.")
    ] = 0,
    zipf: Annotated[
        float, typer.Option(min=0.0, max=3.0, help="With --simulate: how unevenly domains are wanted; 0 is evenly.")
    ] = SCENE.zipf,
    domains: Annotated[
        int, typer.Option(min=1, max=2_000_000, help="With --simulate: how many domains there are.")
    ] = SCENE.domains,
    seed: Annotated[int, typer.Option(help="With --simulate: the same again.")] = SCENE.seed,
    json: JsonOption = False,
) -> None:
    """What a load needs: processes, machines, databases, brokers, partitions, disk; its bottleneck; and the price of a million calls."""
    known = NOVEMBER_2026 if costs is None else read(costs)
    if not math.isfinite(calls_per_second):
        raise ConfigurationError(f"--calls-per-second {calls_per_second} is no number of calls")
    demand = Demand(calls_per_second, calls_per_plan, payload_bytes, hot_share, domain_share, tool_seconds)
    terms = Terms(cores, memory, target, tool_threads, retention_days)
    topology, prices = plan(demand, terms, known), Prices(core_hour, gigabyte_month)
    paid = bill(topology, prices)
    scene = Scene(simulated, domains, zipf, seed=seed) if simulated else None
    run = None if scene is None else simulate(scene, demand, terms, known)
    if json:
        show(as_json(topology, paid, prices, known, run))
        return
    told(topology, paid, prices)
    if run is not None:
        told_of_run(run)
    checked(known)


def read(file: Path) -> Costs:
    """Costs by a benchmark's JSON. Raises ConfigurationError."""
    try:
        found = jsonlib.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"--costs {file} cannot be read as JSON: {error}") from error
    if not isinstance(found, dict):
        raise ConfigurationError(f"--costs {file} is no JSON object: write what `motet bench --json` prints into it")
    return from_bench(found)


def told(topology: Topology, paid: Bill, prices: Prices) -> None:
    """The topology for people."""
    terms = topology.terms
    table(
        ["part", "number", "of", "load", "used, one lost"],
        [[one.name, f"{one.count:,}", KIND[one.kind], loaded(one), f"{one.utilisation:.0%}"] for one in topology.parts],
    )
    worst = topology.bottleneck
    console.print(f"\nbottleneck: {worst.name}, used {worst.utilisation:.0%} of the {terms.target:.0%} that it may be")
    for one in topology.ceilings:
        console.print(f"{one.name}: {one.calls_per_second:,.0f} calls/s at most; {one.why}", soft_wrap=True)
    if not topology.feasible:
        console.print(f"No machine helps there: {topology.within:,.0f} calls/s are possible within the target.")
    cells = f"{topology.cells:,} installations" if topology.cells > 1 else "one installation"
    console.print(
        f"{topology.machines:,} machines of {terms.cores} cores, {cells} with {topology.partitions:,} partitions a topic; "
        f"{topology.in_flight:,.0f} effects in flight",
        soft_wrap=True,
    )
    console.print(
        f"disk: Kafka {topology.kafka_gigabytes_a_day:,.1f} GB a day in three copies, PostgreSQL {topology.postgres_gigabytes_a_day:,.1f} GB in two; "
        f"{topology.disk_gigabytes:,.0f} GB after {terms.retention_days:g} days",
        soft_wrap=True,
    )
    console.print(
        f"PostgreSQL writes {topology.wal_megabytes_a_second:,.1f} MB of its log a second, with {topology.fsyncs_a_second:,.0f} fsyncs",
        soft_wrap=True,
    )
    console.print(
        f"price of a million calls: {paid.million_calls:,.2f}, at {prices.core_hour:g} for a core an hour and {prices.gigabyte_month:g} for a GB "
        f"a month (an hour: {paid.cores_an_hour:,.2f} for cores, {paid.disk_an_hour:,.2f} for disk)",
        soft_wrap=True,
    )


def loaded(part: Part) -> str:
    """A load with its unit."""
    return f"{part.load:.0%} of the time" if part.kind == "turn" else f"{part.load:,.1f} cores"


def told_of_run(run: Run) -> None:
    """What the simulation found."""
    scene = run.scene
    console.print(
        f"\n{scene.partitions:,} partitions, {scene.domains:,} domains (Zipf {scene.zipf:g}), {scene.plans:,} plans in {run.seconds:.1f} s, seed "
        f"{scene.seed}: the busiest domain has {run.busiest_domain:.2%} of all plans, the busiest partition {run.busiest_partition:.2%}",
        soft_wrap=True,
    )
    table(
        [
            "service",
            "processes",
            "used",
            "busiest one",
            "imbalance",
            "wait p50",
            "p99",
            "p99 of the median partition",
            "of the worst",
        ],
        [
            [
                *(
                    one.service,
                    f"{one.processes:,}",
                    f"{one.mean_utilisation:.0%}",
                    f"{one.fullest:.0%}",
                    f"{one.imbalance:.2f}",
                ),
                *(f"{wait:,.1f} ms" for wait in (one.p50, one.p99, one.partition_p99_median, one.partition_p99_worst)),
            ]
            for one in run.waits
        ],
    )
    for one in run.waits:
        if one.fullest >= 1:
            console.print(
                f"The busiest {one.service} gets {one.fullest:.1f} times what it can do: its queue grows without end, and one domain cannot be divided.",
                soft_wrap=True,
            )


def checked(costs: Costs) -> None:
    """Where the costs are from, and how well the model says what was measured there."""
    measured = costs.measured
    said = saturated(costs, measured.cores, measured.load)
    console.print(f"\ncosts: {escape(costs.source)}", soft_wrap=True)
    console.print(
        f"held to {escape(measured.source)}: {said:,.0f} calls/s by the model on {measured.cores:.3g} cores, {measured.calls_per_second:,.0f} measured "
        f"({said / measured.calls_per_second - 1:+.0%})",
        soft_wrap=True,
    )


def as_json(topology: Topology, paid: Bill, prices: Prices, costs: Costs, run: Run | None) -> dict[str, Any]:
    """Everything, for programs."""
    measured = costs.measured
    return {
        **asdict(topology),
        "bottleneck": topology.bottleneck.name,
        "feasible": topology.feasible,
        "machines": topology.machines,
        "disk_gigabytes": topology.disk_gigabytes,
        "price": asdict(paid) | {"an_hour": paid.an_hour, "prices": asdict(prices)},
        "costs": {
            "source": costs.source,
            "measured": asdict(measured),
            "predicted_calls_per_second": saturated(costs, measured.cores, measured.load),
        },
        "simulated": None if run is None else asdict(run),
    }
