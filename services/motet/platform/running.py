"""A platform as its users see it: bring it up, look at it, take it down."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

import psutil

from motet.platform.bell import Bell
from motet.platform.errors import PlatformFailed, PlatformNotRunning
from motet.platform.layout import Addresses, Layout, ServiceSpec
from motet.platform.process import Watch, identity, reap

UP_SECONDS: Final = 120.0
DOWN_SECONDS: Final = 60.0
LEFTOVER_SECONDS: Final = 15.0
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
# So often a service may end before it was ever ready; then the start has failed.
FAILURES_ALLOWED: Final = 2


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
        lifetime: Literal["own", "caller"] = "own",
        environment: Mapping[str, str] = NOTHING,
    ) -> Platform:
        """Starts everything and waits until it is ready; what runs already stays, and another start is waited for.

        `prepare` is a command that runs once the servers are there and before the services start. With the lifetime of its
        caller the platform ends when the calling process does, however that ends. `environment` is what its processes have beside
        ours. Raises PlatformFailed; then, and after Ctrl-C, nothing is left running.
        """
        if sys.platform != "linux":
            raise PlatformFailed(f"the embedded platform needs Linux, this is {sys.platform}: use `docker compose up`")
        platform = Platform(directory)
        layout = platform.layout
        with layout.alone():
            if platform.supervisor() is not None:
                platform.add_services(services)
                return platform
            platform.clear_leftovers()
            layout.write_services(list(services))
            with ExitStack() as undo:
                pid = platform.spawn(prepare, os.getpid() if lifetime == "caller" else 0, environment)
                undo.callback(platform.stop, pid)
                platform.await_ready(pid, report)
                undo.pop_all()
        return platform

    @staticmethod
    def attach(directory: Path) -> Platform:
        """The platform that runs under a directory. Raises PlatformNotRunning."""
        platform = Platform(directory)
        if platform.supervisor() is None:
            raise PlatformNotRunning(f"nothing runs under {platform.layout.directory}: start it with `motet up`")
        return platform

    def spawn(self, prepare: Sequence[str], owner: int, environment: Mapping[str, str]) -> int:
        """Starts the supervisor in a session of its own, so that a terminal's Ctrl-C is not meant for it; its process id."""
        log = self.layout.log("supervisor")
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "motet.platform.supervise", str(self.layout.directory), str(owner), *prepare]
        return os.posix_spawn(
            sys.executable,
            command,
            {**os.environ, **environment},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )

    def supervisor(self) -> int | None:
        """The supervisor's process id, if it lives."""
        state = self.layout.read(self.layout.state)
        return state["pid"] if state is not None and identity(state["pid"]) == state["identity"] else None

    def clear_leftovers(self) -> None:
        """Waits for the end of what a killed supervisor left: the kernel has asked them to end, and here they must."""
        self.layout.failure.unlink(missing_ok=True)
        state = self.layout.read(self.layout.state)
        deadline = time.monotonic() + LEFTOVER_SECONDS
        for entry in state["processes"] if state else ():
            if entry["pid"] is None:
                continue
            with Watch(entry["pid"]) as watch:
                # Asked only after the watch was opened: now the number cannot become somebody else's.
                if identity(entry["pid"]) == entry["identity"] and not watch.ended(deadline - time.monotonic()):
                    watch.send(signal.SIGKILL)
                    watch.ended(LEFTOVER_SECONDS)
        self.layout.state.unlink(missing_ok=True)

    def await_ready(self, pid: int, report: Callable[[str], None]) -> None:
        """Waits until every process is ready. One that tells what it does meanwhile, such as a projector that rebuilds, has its time."""
        reported: set[str] = set()
        deadline, heard = time.monotonic() + UP_SECONDS, self.written()
        with Bell(self.layout.bells) as bell, Watch(pid) as supervisor:
            while True:
                gone = supervisor.ended(0)
                if self.look(reported, report):
                    return
                if gone:
                    raise PlatformFailed(f"the supervisor ended:\n{self.layout.last_lines('supervisor')}")
                if time.monotonic() > deadline:
                    late = sorted({spec.name for spec in self.layout.read_services()} - reported) or ["supervisor"]
                    known, heard = heard, self.written()
                    if all(heard.get(name, 0) == known.get(name, 0) for name in late):
                        raise PlatformFailed(
                            f"not ready, and silent for {UP_SECONDS:.0f} s: {', '.join(late)}\n{self.layout.last_lines(late[0])}"
                        )
                    deadline = time.monotonic() + UP_SECONDS
                bell.wait(deadline - time.monotonic(), supervisor)

    def written(self) -> dict[str, int]:
        """How many bytes each process has written to its log."""
        return {path.stem: path.stat().st_size for path in self.layout.log("any").parent.glob("*.log")}

    def look(self, reported: set[str], report: Callable[[str], None]) -> bool:
        """Reports who became ready, and says whether all are. Raises PlatformFailed when that will not be."""
        failure = self.layout.read(self.layout.failure)
        if failure is not None:
            raise PlatformFailed(failure["message"])
        state = self.layout.read(self.layout.state) or {"phase": "starting", "processes": []}
        if state["phase"] == "stopping":
            raise PlatformFailed(f"the platform under {self.layout.directory} is being taken down")
        # What is not wanted any more may still be on its way out.
        wanted = {spec.name for spec in self.layout.read_services()}
        for entry in state["processes"]:
            if entry["state"] == "ready" and entry["name"] not in reported:
                reported.add(entry["name"])
                report(entry["name"])
            if entry["failures"] > FAILURES_ALLOWED and (entry["kind"] == "server" or entry["name"] in wanted):
                raise PlatformFailed(
                    f"{entry['name']} ended {entry['failures']} times and was never ready:\n{self.layout.last_lines(entry['name'])}"
                )
        return state["phase"] == "running" and wanted <= reported

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
        return [self.process_status(entry) for entry in self.state["processes"]]

    def process_status(self, entry: dict[str, Any]) -> ProcessStatus:
        """One process, and what it uses now."""
        memory, cpu = 0, 0.0
        if entry["pid"] is not None:
            try:
                memory, cpu = used(psutil.Process(entry["pid"]))
            except psutil.NoSuchProcess:
                memory, cpu = 0, 0.0
        return ProcessStatus(
            name=entry["name"],
            kind=entry["kind"],
            pid=entry["pid"],
            state=entry["state"],
            restarts=entry["restarts"],
            since=entry["since"],
            memory_bytes=memory,
            cpu_seconds=cpu,
        )

    def pid(self, name: str) -> int | None:
        """A process's id; None while it is not running."""
        return next((entry["pid"] for entry in self.state["processes"] if entry["name"] == name), None)

    def await_process(self, name: str, condition: Callable[[ProcessStatus], bool], seconds: float) -> ProcessStatus:
        """Waits until a process is as asked for, say ready again after it was killed. Raises PlatformFailed when it is late."""
        deadline = time.monotonic() + seconds
        with Bell(self.layout.bells) as bell, Watch(self.state["pid"]) as supervisor:
            while True:
                found = next((one for one in self.status() if one.name == name), None)
                if found is not None and condition(found):
                    return found
                if time.monotonic() > deadline:
                    raise PlatformFailed(f"{name} is {found} after {seconds:.0f} s:\n{self.layout.last_lines(name)}")
                bell.wait(deadline - time.monotonic(), supervisor)

    def add_services(self, services: Sequence[ServiceSpec]) -> None:
        """Starts further services and waits until they are ready; those of a known name are there already.

        Raises PlatformFailed when one does not come up: then none of the new ones stays, and the others run on.
        """
        known = self.layout.read_services()
        fresh = [spec for spec in services if spec.name not in {one.name for one in known}]
        pid = int(self.state["pid"])
        with ExitStack() as undo:
            if fresh:
                self.layout.write_services([*known, *fresh])
                undo.callback(self.remove_services, [spec.name for spec in fresh])
                os.kill(pid, signal.SIGHUP)
            self.await_ready(pid, silent)
            undo.pop_all()

    def remove_services(self, names: Sequence[str]) -> None:
        """Stops services for good, and waits until they are gone: one of the same name may come next."""
        self.layout.write_services([spec for spec in self.layout.read_services() if spec.name not in names])
        pid = self.supervisor()
        if pid is None:
            return
        os.kill(pid, signal.SIGHUP)
        deadline = time.monotonic() + DOWN_SECONDS
        with Bell(self.layout.bells) as bell, Watch(pid) as supervisor:
            while not supervisor.ended(0) and not set(names).isdisjoint(one.name for one in self.status()):
                if time.monotonic() > deadline:
                    raise PlatformFailed(f"{', '.join(names)} did not end within {DOWN_SECONDS:.0f} s")
                bell.wait(deadline - time.monotonic(), supervisor)

    def remove_service(self, name: str) -> None:
        """Stops a service for good."""
        self.remove_services([name])

    def log_path(self, name: str) -> Path:
        """Where a process's output is."""
        return self.layout.log(name)

    def down(self) -> None:
        """Stops everything and waits until it is gone. Nothing to stop is fine."""
        pid = self.supervisor()
        if pid is not None:
            self.stop(pid)
        self.clear_leftovers()

    def stop(self, pid: int) -> None:
        """Asks the supervisor to stop everything, and waits for its end."""
        with Watch(pid) as watch:
            watch.send(signal.SIGTERM)
            if not watch.ended(DOWN_SECONDS):
                raise PlatformFailed(
                    f"the supervisor (process {pid}) did not end within {DOWN_SECONDS:.0f} s:\n{self.layout.last_lines('supervisor')}"
                )
        reap(pid)


def used(process: psutil.Process) -> tuple[int, float]:
    """Bytes and CPU seconds of a process and of those that it started: PostgreSQL has one a connection."""
    memory = process.memory_info().rss
    cpu = sum(process.cpu_times()[:4])
    for child in process.children(recursive=True):
        # What they share is counted once, with the parent.
        memory += child.memory_full_info().uss
        cpu += sum(child.cpu_times()[:4])
    return memory, cpu
