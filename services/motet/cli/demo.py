"""`motet demo`: the main job."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from motet.cli.output import JsonOption, console, errors, program, show, table
from motet.cli.running import core_services, tool_service
from motet.modes import COORDINATOR
from motet.platform import Platform, ServiceSpec
from motet.platform.finding import home

if TYPE_CHECKING:
    from motet.demo.run import Demo

FAILED = 1
ALL, LED = 200, 20
LARGEST_SEED = 10**6


def demo(
    seed: Annotated[int | None, typer.Option(help="Repeats a run's transfers and moments to kill.")] = None,
    scenarios: Annotated[
        int | None, typer.Option(min=1, max=200, help="Scenarios of the leaderboard: 200, and 20 with --models.")
    ] = None,
    transfers: Annotated[int, typer.Option(min=8, max=1_000_000, help="Transfers of the bank.")] = 10_000,
    kills: Annotated[int, typer.Option(min=0, max=100, help="Kills in each half.")] = 3,
    modes: Annotated[
        bool,
        typer.Option("--modes", help="The scenarios in each mode, instead: are their histories equal (docs/modes.md)?"),
    ] = False,
    models: Annotated[
        bool,
        typer.Option(
            "--models", help="An agent that a recorded model leads, instead: each question over HTTP and back."
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Runs real agents' calls and a contended bank through Motet, kills services on the way, and compares with plain serial runs.

    The exit code is 0 only if every equality holds. Everything stays up afterwards, to be looked at.
    """
    from motet.demo import dataset  # noqa: PLC0415  the demo's own packages are needed for nothing else
    from motet.demo.report import next_steps, report  # noqa: PLC0415
    from motet.demo.run import Demo, run  # noqa: PLC0415

    chosen = seed if seed is not None else random.SystemRandom().randrange(LARGEST_SEED)
    first = scenarios or (LED if models else ALL)
    asked = Demo(chosen, f"{time.strftime('%m%d-%H%M%S')}-{chosen}", dataset.scenarios()[:first], transfers, kills)
    if models:
        lead(asked, json)
        return
    if modes:
        compare(asked, json)
        return
    platform = bring_up(chosen, core_services())
    with progress() as bars:
        tasks = {half: bars.add_task(half, total=None) for half in ("real input", "contention")}
        result = run(asked, platform, lambda half, done, total: bars.update(tasks[half], completed=done, total=total))
    if json:
        show(result.as_json())
    else:
        console.print(report(result), soft_wrap=True)
        console.print(next_steps(result, program()), markup=False, soft_wrap=True)
    if not result.equal:
        raise typer.Exit(FAILED)


def lead(asked: Demo, json: bool) -> None:
    """The scenarios as conversations with an agent that a recorded model leads."""
    from motet.demo import led  # noqa: PLC0415  as above
    from motet.demo.report import led_report  # noqa: PLC0415

    with led.model_of(asked.scenarios) as model:
        platform = bring_up(asked.seed, [*core_services(), *led.services(model)])
        with progress() as bars:
            task = bars.add_task("conversations", total=None)
            result = led.run(
                asked, platform, model, lambda _, done, total: bars.update(task, completed=done, total=total)
            )
    if json:
        show(result.as_json())
    else:
        console.print(led_report(result), soft_wrap=True)
    if not result.equal:
        raise typer.Exit(FAILED)


def compare(asked: Demo, json: bool) -> None:
    """The scenarios in each mode, beside each other. A coordinator is there only once its rounds come."""
    from motet.demo.modes import WAYS, run  # noqa: PLC0415  as above
    from motet.demo.report import COMPARED, compared, verdict  # noqa: PLC0415

    core = core_services()
    platform = bring_up(asked.seed, [one for one in core if one.name != COORDINATOR])
    coordinator = next(one for one in core if one.name == COORDINATOR)
    with progress() as bars:
        tasks = {way.name: bars.add_task(way.name, total=None) for way in WAYS}
        result = run(
            asked, platform, coordinator, lambda way, done, total: bars.update(tasks[way], completed=done, total=total)
        )
    if json:
        show(result.as_json())
    else:
        console.print(
            f"\nThe leaderboard's first {len(asked.scenarios)} scenarios in each mode. Histories are compared with those of the same plans "
            "orchestrated as written,\nresults and states with the same calls on the same classes, one after another, in plain Python.\n",
            soft_wrap=True,
        )
        table(COMPARED, compared(result))
        console.print(f"\n{verdict(result)}", soft_wrap=True)
    if not result.equal:
        raise typer.Exit(FAILED)


def bring_up(seed: int, core: list[ServiceSpec]) -> Platform:
    """Servers, some of Motet's own services, and all of the demo's tools."""
    from motet.demo.toolsets import MODULES  # noqa: PLC0415  as above

    services = [*core, *(tool_service(module) for module in MODULES)]
    errors.print(
        f"seed {seed}; starting Kafka, PostgreSQL, the schema registry and {len(services)} services under {home()} …",
        soft_wrap=True,
    )
    return Platform.up(home(), services, report=lambda name: errors.print(f"  {name} is up", highlight=False))


def progress() -> Progress:
    """Bars for people who wait."""
    columns = (
        TextColumn("{task.description:22}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("plans"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=errors)
