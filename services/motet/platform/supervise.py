"""The supervisor: `python -m motet.platform.supervise DIRECTORY [PREPARE…]`. It owns every child and says in state.json how they are.

It waits for signals: SIGCHLD (a child ended), SIGHUP (read services.json again), SIGTERM or SIGINT (stop everything).
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from motet.platform import servers
from motet.platform.errors import PlatformError, PlatformFailed
from motet.platform.layout import Layout, ServiceSpec
from motet.platform.servers import Server

PR_SET_PDEATHSIG: Final = 1
FIRST_BACK_OFF_SECONDS: Final = 0.2
LONGEST_BACK_OFF_SECONDS: Final = 10.0
STEADY_SECONDS: Final = 10.0
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 15.0
LOG_BYTES: Final = 50_000_000
SIGNALS: Final = (signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM, signal.SIGINT)


def prepare_child() -> None:
    """In the child: it dies with the supervisor, however that ends, and signals are as usual."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


@dataclass(slots=True)
class Child:
    """A process that is kept running."""

    name: str
    kind: str
    command: tuple[str, ...]
    environment: dict[str, str]
    user: str | None = None
    process: subprocess.Popen[bytes] | None = None
    state: str = "stopped"
    restarts: int = 0
    since: float = 0.0
    back_off: float = FIRST_BACK_OFF_SECONDS
    due: float = 0.0


class Supervisor:
    """Servers first, then services, and whoever ends by itself is started again."""

    def __init__(self, directory: Path, prepare: list[str]) -> None:
        self.layout = Layout(directory)
        self.prepare = prepare
        self.children: dict[str, Child] = {}
        self.addresses: dict[str, str] = {}
        self.stopping = False
        self.phase = "starting"

    def run(self) -> None:
        """Runs until told to stop."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        self.write_state()
        try:
            self.start_servers()
            self.start_services()
            self.phase = "running"
            while not self.stopping:
                self.write_state()
                self.wait(1.0 if not self.awaited() else 0.05)
                self.revive()
        except PlatformError as error:
            self.layout.write(self.layout.directory / "failure.json", {"message": str(error)})
        finally:
            self.stop_all()
            self.layout.state.unlink(missing_ok=True)

    def start_servers(self) -> None:
        """Starts what the others need, verifies each by a request."""
        plan = servers.plan(self.layout)
        self.addresses = plan.addresses.environment()
        for group in (plan.first, plan.second):
            for server in group:
                self.start(Child(server.name, "server", server.command, server.environment, server.user))
            for server in group:
                self.await_server(server)
        if self.prepare and not self.stopping:
            done = subprocess.run(
                self.prepare,
                env={**os.environ, **self.addresses},
                capture_output=True,
                text=True,
                check=False,
                preexec_fn=prepare_child,
            )
            if done.returncode:
                raise PlatformFailed(f"{' '.join(self.prepare)} failed:\n{done.stdout}{done.stderr}")

    def await_server(self, server: Server) -> None:
        """Waits until a server answers."""
        deadline = time.monotonic() + START_SECONDS
        child = self.children[server.name]
        while not self.stopping and not server.check():
            self.wait(0.1)
            if child.process is None or child.process.poll() is not None:
                raise PlatformFailed(f"{server.name} ended at its start:\n{self.layout.last_lines(server.name)}")
            if time.monotonic() > deadline:
                raise PlatformFailed(
                    f"{server.name} did not answer within {START_SECONDS:.0f} s:\n{self.layout.last_lines(server.name)}"
                )
        child.state = "ready"
        self.write_state()

    def start_services(self) -> None:
        """Starts the services that are wanted and not there, stops those that are there and not wanted."""
        wanted = {spec.name: spec for spec in self.layout.read_services()}
        for name, child in list(self.children.items()):
            if child.kind == "service" and name not in wanted:
                self.end([child])
                del self.children[name]
        for name, spec in wanted.items():
            if name not in self.children and not self.stopping:
                self.start(self.service(spec))

    def service(self, spec: ServiceSpec) -> Child:
        """A service as a child."""
        environment = {
            **self.addresses,
            **spec.environment,
            "MOTET_READY_FILE": str(self.layout.ready(spec.name)),
            "MOTET_REPLICA": str(spec.replica),
        }
        return Child(spec.name, "service", spec.command, environment)

    def start(self, child: Child) -> None:
        """Starts a child; its output goes to its log."""
        log = self.layout.log(child.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        ready = self.layout.ready(child.name)
        ready.parent.mkdir(parents=True, exist_ok=True)
        ready.unlink(missing_ok=True)
        with log.open("ab") as output:
            child.process = subprocess.Popen(
                child.command,
                env={**os.environ, **child.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                user=child.user,
                cwd="/" if child.user else None,
                preexec_fn=prepare_child,  # noqa: PLW1509  the supervisor has one thread
            )
        child.state, child.since = "starting", time.time()
        self.children[child.name] = child

    def wait(self, seconds: float) -> None:
        """Waits for a signal, and does what it asks."""
        received = signal.sigtimedwait(SIGNALS, seconds)
        if received is None:
            return
        if received.si_signo in (signal.SIGTERM, signal.SIGINT):
            self.stopping = True
        elif received.si_signo == signal.SIGHUP and self.phase == "running":
            self.start_services()

    def awaited(self) -> bool:
        """Whether a child is about to be ready or to be started again."""
        return any(child.state in ("starting", "backing off") for child in self.children.values())

    def revive(self) -> None:
        """Notes who is ready and who ended; starts again whose time has come."""
        for child in self.children.values():
            if child.process is not None and child.process.poll() is not None:
                steady = time.time() - child.since > STEADY_SECONDS
                child.back_off = FIRST_BACK_OFF_SECONDS if steady else min(child.back_off * 2, LONGEST_BACK_OFF_SECONDS)
                child.process, child.state = None, "backing off"
                child.due = time.monotonic() + child.back_off
            elif child.state == "starting" and (child.kind == "server" or self.layout.ready(child.name).exists()):
                child.state = "ready"
            if child.state == "backing off" and time.monotonic() >= child.due and not self.stopping:
                child.restarts += 1
                self.start(child)

    def stop_all(self) -> None:
        """Services first, all at once; then the servers, the last started first."""
        self.phase = "stopping"
        children = list(self.children.values())
        self.end([child for child in children if child.kind == "service"])
        for child in reversed([child for child in children if child.kind == "server"]):
            # PostgreSQL's fast shutdown is SIGINT; SIGTERM would wait for its clients.
            self.end([child], signal.SIGINT if child.name == "postgres" else signal.SIGTERM)

    def end(self, children: list[Child], asked: signal.Signals = signal.SIGTERM) -> None:
        """Asks children to end, and kills those that do not in time."""
        processes = [child.process for child in children if child.process is not None and child.process.poll() is None]
        for process in processes:
            process.send_signal(asked)
        deadline = time.monotonic() + STOP_SECONDS
        for process in processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for child in children:
            child.process, child.state = None, "stopped"

    def write_state(self) -> None:
        """Says how everything is."""
        processes: list[dict[str, Any]] = [
            {
                "name": child.name,
                "kind": child.kind,
                "pid": child.process.pid if child.process is not None else None,
                "state": child.state,
                "restarts": child.restarts,
                "since": child.since,
            }
            for child in self.children.values()
        ]
        state = {"pid": os.getpid(), "phase": self.phase, "addresses": self.addresses, "processes": processes}
        self.layout.write(self.layout.state, state)


def main() -> None:
    """The supervisor process."""
    Supervisor(Path(sys.argv[1]), sys.argv[2:]).run()


if __name__ == "__main__":
    main()
