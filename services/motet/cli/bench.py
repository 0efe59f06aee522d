"""`motet bench`: how fast it is here and now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motet.chassis.code_version import is_compiled
from motet.cli.output import JsonOption, console, errors, show, table
from motet.cli.running import core_services
from motet.platform.finding import home

if TYPE_CHECKING:
    from motet.bench.guard import Ratio
    from motet.bench.run import Figures


def bench(
    scale: Annotated[float, typer.Option(min=0.01, max=100.0, help="1 is the full size, some two minutes.")] = 1.0,
    modes: Annotated[bool, typer.Option("--modes", help="What each mode costs, instead (docs/modes.md).")] = False,
    outages: Annotated[
        bool, typer.Option("--outages", help="What stops when a service is killed, instead (docs/modes.md).")
    ] = False,
    history: Annotated[
        int, typer.Option(min=0, help="Whether so many calls of history make it slower, instead; the data stays.")
    ] = 0,
    calls: Annotated[int, typer.Option(min=1, max=64, help="With --history: calls in a plan.")] = 8,
    guard: Annotated[
        Path | None, typer.Option(help="Kept figures to compare with: the exit code is 1 beyond 25 % loss of a ratio.")
    ] = None,
    keep: Annotated[Path | None, typer.Option(help="Where to keep this run's figures for --guard.")] = None,
    json: JsonOption = False,
) -> None:
    """Measures the bare hop, one plan's latency, 32 plans in flight, and saturation, on empty servers of its own.

    Everything runs on this machine, fsync on, all guarantees on. Read the figures as ratios to the bare hop of the same run.
    """
    if modes:
        compare(scale, json)
        return
    if outages:
        kill(json)
        return
    if history:
        grow(history, calls, json)
        return
    from motet.bench import guard as guarding  # noqa: PLC0415  most commands measure nothing
    from motet.bench.run import run  # noqa: PLC0415

    figures = run(home() / "bench", core_services(), scale, told)
    if json:
        show(figures.as_json() | {"compiled": is_compiled()})
    else:
        tell(figures)
    if keep is not None:
        guarding.keep(figures, keep, compiled=is_compiled())
    if guard is not None:
        hold(guarding.compare(figures, guard, compiled=is_compiled()))


def tell(figures: Figures) -> None:
    """The figures for people."""
    hop = figures.hop_records_per_second
    table(
        ["measured", "figure", "ratio to the bare hop"],
        [
            ["bare hop", f"{hop:,.0f} records/s", "1"],
            ["one plan of 8 calls, p50", f"{figures.plan_p50_ms:.1f} ms", ""],
            ["one plan of 8 calls, p99", f"{figures.plan_p99_ms:.1f} ms", ""],
            ["32 plans in flight", *rate(figures.in_flight_32_calls_per_second, hop)],
            ["saturated", *rate(figures.saturated_calls_per_second, hop)],
            ["projector caught up after", f"{figures.projector_seconds_behind:.1f} s", ""],
        ],
    )
    console.print(f"\nThe deciders ran {'compiled' if is_compiled() else 'interpreted (`make bench` compiles them)'}.")
    console.print("While it was saturated:")
    rows = [[one.name, f"{one.cores * 100:.0f} %", f"{one.memory_bytes / 1e6:.0f} MB"] for one in figures.usage]
    table(["process", "of a core", "memory"], rows)


def hold(found: list[Ratio]) -> None:
    """Says what was lost against the kept figures; the exit code is 1 if anything was."""
    rows = [
        [
            one.name,
            "" if one.kept is None else f"{one.kept:.3f}",
            f"{one.now:.3f}",
            "[red]lost[/]" if one.lost else "" if one.kept is None else f"{one.now / one.kept:.0%}",
        ]
        for one in found
    ]
    errors.print("")
    table(["ratio to the bare hop", "kept", "now", ""], rows)
    if any(one.lost for one in found):
        raise typer.Exit(1)


def compare(scale: float, json: bool) -> None:
    """What each mode costs, beside each other."""
    from motet.bench import modes  # noqa: PLC0415

    costs = modes.run(home() / "bench", core_services(), scale, told)
    if json:
        show(costs.as_json())
        return
    hop = costs.hop_records_per_second
    console.print(f"bare hop: {hop:,.0f} records/s\n")
    rows = [
        [
            "a resource each" if one.calls == modes.CLAIMS else "none",
            one.mode,
            "runs" if one.coordinator else "does not run",
            f"{one.plan_p50_ms:.1f} ms",
            f"{one.plan_p99_ms:.1f} ms",
            *rate(one.in_flight_32_calls_per_second, hop),
        ]
        for one in costs.modes
    ]
    table(["calls use", "mode", "coordinator", "p50", "p99", "32 plans in flight", "of the hop"], rows)


def kill(json: bool) -> None:
    """What each kind of plan notices of a service that dies."""
    from motet.bench import outages  # noqa: PLC0415  as above

    found = outages.run(home() / "bench", core_services(), told)
    if json:
        show(outages.as_json(found))
        return
    rows = [
        [
            one.killed,
            one.calls,
            one.mode,
            f"{one.pause_seconds:.1f} s ({one.usual_pause_seconds:.1f} s)",
            f"{one.plans_while_down} ({one.usual_plans})",
            f"{one.first_plan_seconds:.1f} s",
        ]
        for one in found
    ]
    seconds = f"{outages.DOWN_SECONDS:g} s"
    headings = ["killed", "calls", "mode", "longest pause (usual)", f"ended in {seconds} without it (usual)"]
    table([*headings, "first end once it is back"], rows)


def grow(calls: int, in_plan: int, json: bool) -> None:
    """What a long history costs."""
    from motet.bench import history  # noqa: PLC0415  as above
    from motet.bench.load import Kind  # noqa: PLC0415

    found = history.run(home() / "history", core_services(), calls, Kind(calls=in_plan), told)
    if json:
        show(found.as_json())
        return
    names = list(found.slices[0].cpu_us_per_call)
    rows = [
        [
            f"{one.calls_before:,}",
            f"{one.calls_per_second:,.0f}",
            *(f"{one.cpu_us_per_call[name]:.0f}" for name in names),
        ]
        for one in found.slices
    ]
    table(["calls before", "calls/s", *(f"{name}, µs a call" for name in names)], rows)
    table(
        ["table", "rows", "with indexes"],
        [[one.name, f"{one.rows:,}", f"{one.total_bytes / 1e6:,.0f} MB"] for one in found.tables],
    )
    console.print(
        f"The last slice ran at {found.kept:.0%} of the first one's speed; the bare hop took {found.hop_before:,.0f} records/s before and "
        f"{found.hop_after:,.0f} after. The projector was at the end {found.projector_seconds_behind:.1f} s later.",
        soft_wrap=True,
    )
    console.print(
        f"The data is in {home() / 'history'}: `MOTET_HOME={home() / 'history'} motet up` serves it.", soft_wrap=True
    )


def told(what: str) -> None:
    """What is being measured."""
    errors.print(f"  {what} …", highlight=False)


def rate(calls: float, hop: float) -> tuple[str, str]:
    """A rate and its ratio."""
    return f"{calls:,.0f} calls/s", f"{calls / hop:.2f}"
