"""`motet chaos`: breaks a Motet of its own on purpose, and says whether anything was lost."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.markup import escape

from motet.chassis.errors import ConfigurationError
from motet.cli.output import JsonOption, console, errors, show, table
from motet.cli.running import core_services
from motet.platform.finding import home

if TYPE_CHECKING:
    from motet.chaos import Result, RunResult

VIOLATED: Final = 1
LARGEST_SEED: Final = 10**6
SHOWN: Final = 20


def chaos(
    profile: Annotated[str, typer.Option("--profile", help="quick, night or release.")] = "quick",
    seed: Annotated[int | None, typer.Option("--seed", help="Repeats the faults and the plans of a run.")] = None,
    fault: Annotated[
        list[str] | None, typer.Option("--fault", help="Only this one; may be repeated. `--list` has them.")
    ] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", min=1, help="How long each run lasts instead.")] = None,
    times: Annotated[int | None, typer.Option("--times", min=1, help="How many runs of each instead.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="Says which faults there are.")] = False,
    json: JsonOption = False,
) -> None:
    """Breaks real servers and services under load, heals them, and judges from outside: topics, SQL and the log of an outside witness.

    Everything runs on servers of its own, which are removed at the end. The exit code is 0 only if nothing is wrong and nothing is unknown.
    """
    from dataclasses import replace  # noqa: PLC0415  most commands break nothing

    from motet import chaos as breaking  # noqa: PLC0415
    from motet.chaos.faults import FAULTS  # noqa: PLC0415

    if listed:
        table(["fault", "what it does"], [[one.name, one.about] for one in FAULTS.values()])
        return
    unknown = [name for name in fault or () if name not in FAULTS]
    if unknown or profile not in breaking.PROFILES:
        raise ConfigurationError(
            f"there is no fault {unknown[0]!r}: `motet chaos --list` has them"
            if unknown
            else f"--profile is {profile!r}: it is {', '.join(breaking.PROFILES)}"
        )
    chosen = breaking.PROFILES[profile]
    chosen = replace(chosen, seconds=seconds or chosen.seconds, times=times or chosen.times)
    number = seed if seed is not None else random.SystemRandom().randrange(LARGEST_SEED)
    errors.print(f"profile {profile}, seed {number}", highlight=False)
    names = fault or list(FAULTS)
    result = breaking.run(home() / "chaos", core_services(), chosen, names, number, told, tell_run)
    if json:
        show(result.as_json())
    else:
        tell(result)
    if result.all_violations or result.all_unknown:
        raise typer.Exit(VIOLATED)


def told(what: str) -> None:
    """What begins."""
    errors.print(f"  {what} …", highlight=False)


def tell_run(one: RunResult) -> None:
    """A run that did not pass, as it ends."""
    for said in (*one.violations, *one.stalled, *([f"unknown: {one.unknown}"] if one.unknown else [])):
        errors.print(f"    {said}", markup=False, highlight=False, soft_wrap=True)


def tell(result: Result) -> None:
    """For people."""
    rows = [
        [
            str(one.number),
            one.faults,
            f"{one.injected:,}",
            *(f"{one.seen.get(name, 0):,}" for name in ("ok", "failed", "unknown")),
            f"{one.heal_seconds:.1f} s",
            f"{one.rest_seconds:.1f} s",
            f"[red]{len(one.violations)}[/]" if one.violations else "[green]0[/]",
            f"[red]{len(one.stalled)}[/]" if one.stalled else "[green]0[/]",
            "[red]unknown[/]" if one.unknown else "judged",
        ]
        for one in result.runs
    ]
    headings = [
        "run",
        "fault",
        "done",
        "ok",
        "failed",
        "not told",
        "healed in",
        "at rest after",
        "violations",
        "stalled",
        "verdict",
    ]
    table(headings, rows)
    console.print()
    for name, lacks in result.left_out.items():
        console.print(f"left out: {name}: {lacks}", markup=False, soft_wrap=True)
    for said in result.violations[:SHOWN]:
        console.print(f"[red]whole log[/]: {escape(said)}", soft_wrap=True)
    if result.unknown:
        console.print(f"[red]whole log, unknown[/]: {escape(result.unknown)}", soft_wrap=True)
    found = result.as_json()
    verdict = (
        "[green]nothing was lost[/]"
        if not result.all_violations and not result.all_unknown
        else f"[red]{result.all_violations} violations, {result.all_unknown} unknown[/]"
    )
    console.print(
        f"{found['runs']} runs, {found['faults']:,} faults, {found['commands']:,} plans in {result.seconds:.0f} s "
        f"(seed {result.seed}): {verdict}",
        soft_wrap=True,
    )
