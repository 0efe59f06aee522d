"""`motet demo`: the main job."""

from __future__ import annotations

import random
import time
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from motet.cli.output import JsonOption, console, errors, program, show
from motet.cli.running import core_services, tool_service
from motet.platform import Platform
from motet.platform.finding import home

FAILED = 1
LARGEST_SEED = 10**6


def demo(
    seed: Annotated[int | None, typer.Option(help="Repeats a run's transfers and moments to kill.")] = None,
    scenarios: Annotated[int, typer.Option(min=1, max=200, help="Scenarios of the leaderboard.")] = 200,
    transfers: Annotated[int, typer.Option(min=8, max=1_000_000, help="Transfers of the bank.")] = 10_000,
    kills: Annotated[int, typer.Option(min=0, max=100, help="Kills in each half.")] = 3,
    json: JsonOption = False,
) -> None:
    """Runs real agents' calls and a contended bank through Motet, kills services on the way, and compares with plain serial runs.

    The exit code is 0 only if every equality holds. Everything stays up afterwards, to be looked at.
    """
    from motet.demo import dataset  # noqa: PLC0415  the demo's own packages are needed for nothing else
    from motet.demo.report import next_steps, report  # noqa: PLC0415
    from motet.demo.run import Demo, run  # noqa: PLC0415
    from motet.demo.toolsets import MODULES  # noqa: PLC0415

    chosen = seed if seed is not None else random.SystemRandom().randrange(LARGEST_SEED)
    asked = Demo(chosen, f"{time.strftime('%m%d-%H%M%S')}-{chosen}", dataset.scenarios()[:scenarios], transfers, kills)
    services = [*core_services(), *(tool_service(module) for module in MODULES)]
    errors.print(
        f"seed {chosen}; starting Kafka, PostgreSQL, the schema registry and {len(services)} services under {home()} …",
        soft_wrap=True,
    )
    platform = Platform.up(home(), services, report=lambda name: errors.print(f"  {name} is up", highlight=False))
    columns = (
        TextColumn("{task.description:12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("plans"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=errors) as bars:
        tasks = {half: bars.add_task(half, total=None) for half in ("real input", "contention")}
        result = run(asked, platform, lambda half, done, total: bars.update(tasks[half], completed=done, total=total))
    if json:
        show(result.as_json())
    else:
        console.print(report(result), soft_wrap=True)
        console.print(next_steps(result, program()), markup=False, soft_wrap=True)
    if not result.equal:
        raise typer.Exit(FAILED)
