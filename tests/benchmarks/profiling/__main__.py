"""`make bench-profile`: a saturated Motet, looked at by py-spy: a flame graph a service, and the processor time of a call by process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

import typer

from benchmarks.peers import machine
from benchmarks.peers.install import make_venv, once, packages
from benchmarks.peers.places import PEERS, ROOT, VENV
from benchmarks.profiling import report
from motet.bench import load
from motet.bench.run import AT_ONCE, CALLS_IN_PLAN, WARM_UP, WARM_UP_AT_ONCE, bench_service
from motet.chassis.code_version import is_compiled
from motet.cli.running import core_services
from motet.client import Client
from motet.platform import Platform
from motet.platform.servers import TO_STAY

PY_SPY: Final = "py-spy==0.4.3"
SERVICES: Final = ("coordinator", "tools-bench", "projector")
SAMPLES_A_SECOND: Final = 200
PAGE: Final = ROOT / "docs" / "profile.md"
GRAPHS: Final = ROOT / "docs" / "profile"


def watched(platform: Platform, seconds: int, directory: Path, stack: ExitStack) -> None:
    """py-spy at each service: it samples, and stops nobody while it looks."""
    for one in platform.status():
        if one.name in SERVICES and one.pid is not None:
            graph = directory / f"{one.name}.svg"
            command = [
                str(VENV / "bin" / "py-spy"),
                "record",
                "--nonblocking",
                "--pid",
                str(one.pid),
                "--output",
                str(graph),
            ]
            command += ["--duration", str(seconds), "--rate", str(SAMPLES_A_SECOND), "--format", "flamegraph"]
            spy = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.callback(spy.wait)


def loaded(client: Client, seconds: int, first: int) -> int:
    """As many plans as end in so many seconds, from a number on; the number behind them."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        load.in_flight(client, AT_ONCE, AT_ONCE, first=first)
        first += AT_ONCE
    return first


def measured(seconds: int, directory: Path) -> dict[str, Any]:
    """One load, twice: what it costs each process while nobody looks, and its flame graphs."""
    with TemporaryDirectory(prefix="motet-profile-") as home, ExitStack() as stack:
        services = [*core_services(), bench_service()]
        platform = Platform.up(Path(home) / "motet", services, lifetime="caller", environment=TO_STAY)
        stack.callback(platform.down)
        addresses = platform.addresses
        client = stack.enter_context(
            closing(Client(addresses.kafka, addresses.registry, tenant="bench", agent="bench"))
        )
        load.in_flight(client, WARM_UP, WARM_UP_AT_ONCE)
        before = {one.name: one.cpu_seconds for one in platform.status()}
        own, began = time.process_time(), time.monotonic()
        plans = loaded(client, seconds, 0)
        passed, calls = time.monotonic() - began, plans * CALLS_IN_PLAN
        used = {one.name: one.cpu_seconds - before.get(one.name, 0.0) for one in platform.status()}
        used["client"] = time.process_time() - own
        with ExitStack() as spies:
            watched(platform, seconds, directory, spies)
            loaded(client, seconds, plans)
    return {
        "calls": calls,
        "calls_per_second": calls / passed,
        "microseconds_a_call": {name: value / calls * 1_000_000 for name, value in used.items()},
        "compiled": is_compiled(),
        "machine": machine.described(),
    }


def main(
    seconds: Annotated[int, typer.Option(min=5, max=600, help="How long the load is, without and with py-spy.")] = 20,
    json_out: Annotated[bool, typer.Option("--json", help="The figures as JSON, for programs.")] = False,
    page: Annotated[bool, typer.Option("--page", help="Write docs/profile.md and its graphs from this run.")] = False,
) -> None:
    """Saturates Motet on servers of its own, and says where the processor's time goes."""
    once(PEERS / "stamps" / "venv", f"a Python environment atop of {sys.version.split()[0]}", make_venv)
    once(VENV / "stamps" / "py-spy", PY_SPY, lambda: packages([PY_SPY]))
    graphs = GRAPHS if page else ROOT / "build" / "profile"
    graphs.mkdir(parents=True, exist_ok=True)
    document = measured(seconds, graphs)
    if page:
        PAGE.write_text(report.page(document, SERVICES), encoding="utf-8")
    sys.stdout.write(json.dumps(document, indent=2) + "\n" if json_out else report.told(document))
    sys.stderr.write(f"flame graphs: {graphs.relative_to(ROOT)}/*.svg\n")


if __name__ == "__main__":
    typer.run(main)
