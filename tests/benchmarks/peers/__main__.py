"""The command: installs what is asked for, runs one peer after the other, each in processes of its own, and reports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from benchmarks.peers import machine, report
from benchmarks.peers.install import install
from benchmarks.peers.peer import PeerFailed
from benchmarks.peers.places import PYTHON, ROOT
from benchmarks.peers.work import SHAPES
from motet.platform.process import end_with

# In the order in which they run and are told; `one` has the class of each.
NAMES: Final = ("motet", "psycopg", "dbos", "dbos-transactions", "celery", "restate", "temporal", "langgraph")
SHAPE_NAMES: Final = tuple(shape.name for shape in SHAPES)
FLOORS: Final = "floors"
# What a shape may take beside the time that is measured: its ramp, plans that do not end, rows that still come.
BESIDE_SECONDS: Final = 150.0
START_SECONDS: Final = 240.0
LAST_LINES: Final = 3
# Of tables that go into a file.
WIDTH: Final = 200
PAGE: Final = ROOT / "docs" / "benchmarks.md"


def child(module: str, *arguments: str, seconds: float) -> dict[str, Any]:
    """Runs a module of ours in the peers' environment; the document that it prints. Raises PeerFailed."""
    process = subprocess.Popen(
        [str(PYTHON), "-m", f"benchmarks.peers.{module}", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        preexec_fn=partial(end_with, os.getpid(), signal.SIGKILL),  # noqa: PLW1509  it only has the child end with us
    )
    said: list[str] = []
    try:
        output = followed(process, said, seconds)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.returncode or not output.strip():
        raise PeerFailed(" ".join(said[-LAST_LINES:]).strip() or f"it ended with {process.returncode}")
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def followed(process: subprocess.Popen[str], said: list[str], seconds: float) -> str:
    """Passes on what it says of its progress until it ends; its output. Raises PeerFailed when it is late."""
    assert process.stderr is not None
    assert process.stdout is not None
    late = threading.Timer(seconds, process.kill)
    late.start()
    try:
        for line in process.stderr:
            said.append(line.strip())
            sys.stderr.write(line)
        output = process.stdout.read()
        process.wait()
    finally:
        late.cancel()
    if process.returncode == -signal.SIGKILL:
        raise PeerFailed(f"it had not ended after {seconds:.0f} s, and was killed")
    return output


def chosen(given: str, known: Sequence[str]) -> list[str]:
    """Names out of a list with commas, in our order; all if none is given."""
    names = [name.strip() for name in given.split(",") if name.strip()]
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise typer.BadParameter(f"there is no {', '.join(unknown)}; there are {', '.join(known)}")
    return [name for name in known if not names or name in names]


def compare(peers: Sequence[str], shapes: Sequence[str], seconds: float, quiet_seconds: float) -> dict[str, Any]:
    """The whole run, as one document."""
    failed = install([peer for peer in peers if peer != FLOORS])
    found: list[dict[str, Any]] = []
    floors: dict[str, Any] = {}
    for peer in peers:
        if peer in failed:
            continue
        limit = START_SECONDS + len(shapes) * (2 * seconds + quiet_seconds + BESIDE_SECONDS)
        try:
            if peer == FLOORS:
                floors = child("floors", str(seconds), str(quiet_seconds), seconds=limit)
            else:
                found.append(child("one", peer, str(seconds), str(quiet_seconds), *shapes, seconds=limit))
        except PeerFailed as error:
            failed[peer] = str(error)
    return {
        "date": datetime.now(UTC).strftime("%d %B %Y"),
        "machine": machine.described(),
        "seconds": seconds,
        "peers": found,
        "floors": floors,
        "failed": failed,
    }


def main(
    peers: Annotated[str, typer.Option(help=f"Of {', '.join((*NAMES, FLOORS))}; all if none is named.")] = "",
    shapes: Annotated[str, typer.Option(help=f"Of {', '.join(SHAPE_NAMES)}; all if none is named.")] = "",
    seconds: Annotated[float, typer.Option(min=1.0, max=600.0, help="How long each shape is measured.")] = 15.0,
    quiet_seconds: Annotated[
        float,
        typer.Option(min=0.0, help="How long to wait at most, before each shape, for others to leave the machine."),
    ] = 20.0,
    json_out: Annotated[bool, typer.Option("--json", help="The figures as one JSON document, for programs.")] = False,
    page: Annotated[bool, typer.Option("--page", help="Write docs/benchmarks.md from this run.")] = False,
) -> None:
    """Measures Motet and others at the same work, side by side: speed, duplicates, lost results, order, also when a worker is killed."""
    began = time.monotonic()
    document = compare(chosen(peers, (*NAMES, FLOORS)), chosen(shapes, SHAPE_NAMES), seconds, quiet_seconds)
    if json_out:
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        console = Console()
        report.show(document, console if console.is_terminal else Console(width=WIDTH))
        sys.stderr.write(f"{time.monotonic() - began:.0f} s in all\n")
    if page:
        PAGE.write_text(report.page(document), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
