"""A platform as its users see it: bring it up, look at it, take it down."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from motet.platform.errors import PlatformFailed, PlatformNotRunning
from motet.platform.layout import Addresses, Layout, ServiceSpec

UP_SECONDS: Final = 120.0
DOWN_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One process: since when (seconds since 1970), how often it was started again, what it uses."""

    name: str
    kind: str
    pid: int | None
    state: str
    restarts: int
    since: float
    memory_bytes: int
    cpu_seconds: float


def silent(message: str) -> None:
    """Reports to nobody."""


class Platform:
    """What runs under one directory."""

    def __init__(self, directory: Path) -> None:
        self.layout = Layout(directory.resolve())

    @staticmethod
    def up(
        directory: Path,
        services: Sequence[ServiceSpec],
        prepare: Sequence[str] = (),
        report: Callable[[str], None] = silent,
    ) -> Platform:
        """Starts everything and waits until it is ready; what runs already stays. Raises PlatformFailed."""
        platform = Platform(directory)
        layout = platform.layout
        layout.directory.mkdir(parents=True, exist_ok=True)
        if platform.supervisor() is not None:
            platform.add_services(services)
            return platform
        platform.clear_leftovers()
        layout.write_services(list(services))
        layout.log("supervisor").parent.mkdir(parents=True, exist_ok=True)
        with layout.log("supervisor").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "motet.platform.supervise", str(layout.directory), *prepare],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            platform.await_ready(process, report)
        except (KeyboardInterrupt, PlatformFailed):
            process.terminate()
            process.wait()
            raise
        return platform

    @staticmethod
    def attach(directory: Path) -> Platform:
        """The platform that runs under a directory. Raises PlatformNotRunning."""
        platform = Platform(directory)
        if platform.supervisor() is None:
            raise PlatformNotRunning(f"nothing runs under {platform.layout.directory}: start it with `motet up`")
        return platform

    def supervisor(self) -> psutil.Process | None:
        """The supervisor's process, if it lives and is ours."""
        state = self.layout.read(self.layout.state)
        if state is None:
            return None
        try:
            process = psutil.Process(state["pid"])
            return process if "motet.platform.supervise" in process.cmdline() else None
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return None

    def clear_leftovers(self) -> None:
        """Ends what a killed supervisor left: processes that state.json names and that are younger than it says, not others."""
        (self.layout.directory / "failure.json").unlink(missing_ok=True)
        state = self.layout.read(self.layout.state)
        left = []
        for entry in state["processes"] if state else ():
            try:
                process = psutil.Process(entry["pid"] or 0)
                if abs(process.create_time() - entry["since"]) < 2:  # noqa: PLR2004  a process starts when it was started
                    process.terminate()
                    left.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        _, alive = psutil.wait_procs(left, timeout=10)
        for process in alive:
            process.kill()
        psutil.wait_procs(alive, timeout=5)
        self.layout.state.unlink(missing_ok=True)
        # A PostgreSQL that was killed leaves its lock file; it finds out by itself that nobody holds it.

    def await_ready(self, process: subprocess.Popen[bytes] | None, report: Callable[[str], None]) -> None:
        """Waits until every process is ready."""
        reported: set[str] = set()
        deadline = time.monotonic() + UP_SECONDS
        while True:
            failure = self.layout.read(self.layout.directory / "failure.json")
            if failure is not None:
                raise PlatformFailed(failure["message"])
            state = self.layout.read(self.layout.state) or {"phase": "", "processes": []}
            for entry in state["processes"]:
                if entry["state"] == "ready" and entry["name"] not in reported:
                    reported.add(entry["name"])
                    report(entry["name"])
            wanted = {spec.name for spec in self.layout.read_services()}
            if state["phase"] == "running" and wanted <= reported:
                return
            if process is not None and process.poll() is not None:
                raise PlatformFailed(f"the supervisor ended:\n{self.layout.last_lines('supervisor')}")
            if time.monotonic() > deadline:
                late = ", ".join(sorted(wanted - reported)) or "a server"
                name = sorted(wanted - reported)[0] if wanted - reported else "supervisor"
                raise PlatformFailed(f"{late}: not ready within {UP_SECONDS:.0f} s:\n{self.layout.last_lines(name)}")
            time.sleep(LOOK_SECONDS)

    @property
    def state(self) -> dict[str, Any]:
        """What the supervisor says."""
        state = self.layout.read(self.layout.state)
        if state is None:
            raise PlatformNotRunning(f"nothing runs under {self.layout.directory}: start it with `motet up`")
        return dict(state)

    @property
    def addresses(self) -> Addresses:
        """Where the servers are."""
        known = self.state["addresses"]
        return Addresses(
            known["MOTET_KAFKA_BOOTSTRAP"], known["MOTET_POSTGRES_URL"], known["MOTET_SCHEMA_REGISTRY_URL"]
        )

    def status(self) -> list[ProcessStatus]:
        """Every process."""
        out = []
        for entry in self.state["processes"]:
            memory, cpu = 0, 0.0
            if entry["pid"]:
                try:
                    process = psutil.Process(entry["pid"])
                    memory = process.memory_info().rss
                    cpu = sum(process.cpu_times()[:2])
                except psutil.NoSuchProcess:
                    memory, cpu = 0, 0.0
            out.append(
                ProcessStatus(
                    *(entry[name] for name in ("name", "kind", "pid", "state", "restarts", "since")), memory, cpu
                )
            )
        return out

    def pid(self, name: str) -> int | None:
        """A process's id; None while it is not running."""
        return next((one.pid for one in self.status() if one.name == name), None)

    def add_services(self, services: Sequence[ServiceSpec]) -> None:
        """Starts further services and waits until they are ready."""
        known = {spec.name: spec for spec in self.layout.read_services()}
        known.update({spec.name: spec for spec in services if spec.name not in known})
        self.layout.write_services(list(known.values()))
        os.kill(self.state["pid"], signal.SIGHUP)
        self.await_ready(None, silent)

    def remove_service(self, name: str) -> None:
        """Stops a service for good."""
        self.layout.write_services([spec for spec in self.layout.read_services() if spec.name != name])
        os.kill(self.state["pid"], signal.SIGHUP)

    def log_path(self, name: str) -> Path:
        """Where a process's output is."""
        return self.layout.log(name)

    def down(self) -> None:
        """Stops everything and waits until it is gone."""
        process = self.supervisor()
        if process is None:
            self.clear_leftovers()
            return
        process.terminate()
        process.wait(timeout=DOWN_SECONDS)
