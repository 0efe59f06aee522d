"""`motet simulate`: many small worlds, each from a seed, in which everything goes wrong; a failure becomes a short story."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from typing import Annotated, Any

import typer

from motet.chassis.code_version import PACKAGE, is_compiled
from motet.chassis.errors import ConfigurationError
from motet.cli.output import JsonOption, console, program, show
from motet.simulation import Failure, Total, run_many, shrink, tell

# Runs that a worker is given at once.
PORTION = 500
# So many are worth being compiled for.
MANY = 1_000
PLANS = 400


def simulate(
    seed: Annotated[int, typer.Option("--seed", help="The first seed, 0 or more; the others follow it.")] = 0,
    runs: Annotated[int, typer.Option("--runs", help="How many seeds.")] = 2_000,
    plans: Annotated[int, typer.Option("--plans", help=f"Plans a run, 1 to {PLANS}.")] = 50,
    workers: Annotated[int, typer.Option("--workers", help="Processes; one a core is right.")] = 1,
    story: Annotated[
        bool, typer.Option("--story", "-v", help="Tells what happens, step by step; with --runs 1.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Runs the deciders in simulated worlds: deliveries that overtake and repeat, crashes at any step, clocks that jump.

    In a checkout 1,000 runs and more run compiled; the first time, and after changes, that takes some five minutes before they begin.

    After each run a model checks that every command has one end (P1), effects happened once (P2), state equals the serial run (P3) and
    histories do not depend on the order of events (P4). A failure prints its seed and a short story; the exit code is 1 then.
    """
    check(seed, runs, plans, workers)
    # In a test that calls this function the command line is somebody else's.
    if runs >= MANY and sys.argv[1:2] == ["simulate"]:
        go_on_compiled()
    if story:
        tell_one(seed, runs, plans)
        return
    began = time.monotonic()
    total = everything(seed, runs, plans, workers)
    seconds = time.monotonic() - began
    if json:
        show(as_json(total, seconds, workers))
    else:
        console.print(
            f"{total.runs} runs of {plans} plans: {len(total.failures)} violations; "
            f"{rate(total):.0f} runs a second and core{'' if is_compiled() else ' (interpreted)'}"
        )
        if total.runs > len(total.failures):
            console.print(", ".join(f"{value:g} {name}" for name, value in means(total).items()) + " a run")
        for failure in total.failures[:3]:
            explain(failure)
        if len(total.failures) > 3:  # noqa: PLR2004  a person reads three stories
            seeds = ", ".join(str(one.seed) for one in total.failures[3:13])
            console.print(f"more seeds that fail: {seeds}{' …' if len(total.failures) > 13 else ''}")  # noqa: PLR2004
    if total.failures:
        raise typer.Exit(1)


def go_on_compiled() -> None:
    """Begins the same command anew from the compiled copy of this checkout, which is made if it is not there. Returns where there can be none."""
    script = PACKAGE.parents[1] / "deploy" / "compiling.py"
    if is_compiled() or not script.is_file():
        return
    made = subprocess.run([sys.executable, script], stdout=subprocess.PIPE, text=True, check=False)
    copy = made.stdout.strip()
    if made.returncode == 0 and copy:
        path = os.pathsep.join(filter(None, (copy, os.environ.get("PYTHONPATH"))))
        os.execve(sys.executable, [sys.executable, "-m", "motet", *sys.argv[1:]], os.environ | {"PYTHONPATH": path})  # noqa: S606


def check(seed: int, runs: int, plans: int, workers: int) -> None:
    """Says what is wrong with numbers, in one line."""
    cores = os.cpu_count() or 1
    for name, value, least, most in (
        ("--seed", seed, 0, 2**53),
        ("--runs", runs, 1, 10**9),
        ("--plans", plans, 1, PLANS),
        ("--workers", workers, 1, max(64, cores)),
    ):
        if not least <= value <= most:
            raise ConfigurationError(f"{name} is {value}; it is from {least} to {most}")


def everything(seed: int, runs: int, plans: int, workers: int) -> Total:
    """All seeds, in portions, by several processes or here."""
    portions = [range(first, min(seed + runs, first + PORTION)) for first in range(seed, seed + runs, PORTION)]
    total = Total()
    if workers == 1:
        for portion in portions:
            total.add(portion_of(portion, plans))
        return total
    with ProcessPoolExecutor(workers) as pool:
        for done in pool.map(portion_of, portions, repeat(plans)):
            total.add(done)
    return total


def portion_of(seeds: Sequence[int], plans: int) -> Total:
    """Some seeds, with the processor's time that they took."""
    began = time.process_time()
    total = run_many(seeds, plans)
    total.seconds = time.process_time() - began
    return total


def rate(total: Total) -> float:
    """Runs by the seconds that a processor worked for them."""
    return total.runs / max(total.seconds, 1e-9)


def means(total: Total) -> dict[str, float]:
    """What happens in a run, on average over those that were judged to the end."""
    judged = max(1, total.runs - len(total.failures))
    names = ("plans", "calls", "deliveries", "faults", "crashes", "repeats", "steps")
    return {name: round(getattr(total, name) / judged, 1) for name in names}


def as_json(total: Total, seconds: float, workers: int) -> dict[str, Any]:
    """For programs."""
    return {
        "runs": total.runs,
        "violations": len(total.failures),
        "runs_per_second_per_core": round(rate(total), 1),
        "seconds": round(seconds, 3),
        "processor_seconds": round(total.seconds, 3),
        "workers": workers,
        "compiled": is_compiled(),
        "means": means(total),
        "rows_compared_at_every_commit": total.careful,
        "replays": total.replays,
        "twins": total.twins,
        "failures": [
            {"seed": one.seed, "plans": one.plans, "promise": one.promise, "message": one.message}
            for one in total.failures
        ],
    }


def explain(failure: Failure) -> None:
    """A failure: its seed, how to have it again, and the shortest story of it."""
    again = f"{program()} simulate --seed {failure.seed} --runs 1 --plans {failure.plans}"
    console.print(f"\nseed {failure.seed}: {failure.promise}: {failure.message}", markup=False, soft_wrap=True)
    console.print(f"again: {again}", markup=False, soft_wrap=True)
    found = shrink(failure.seed, failure.plans)
    if found is None or not found.lines:
        console.print("it takes the whole run to fail", markup=False)
        return
    console.print(f"shrunk to {found.asked} commands and {found.choices} choices:", markup=False)
    for line in found.lines:
        console.print(f"  {line}", markup=False, soft_wrap=True)
    console.print(f"  {found.promise}: {found.message}", markup=False, soft_wrap=True)


def tell_one(seed: int, runs: int, plans: int) -> None:
    """The story of one run."""
    if runs != 1:
        raise ConfigurationError(f"--story tells of one run, and --runs is {runs}: add --runs 1")
    lines, failure = tell(seed, plans)
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    if failure is not None:
        explain(failure)
        raise typer.Exit(1)
    console.print(f"seed {seed}: every promise was kept", markup=False)
