"""The supervisor: `python -m motet.platform.supervise DIRECTORY OWNER [PREPARE…]`. It owns every child and says in state.json
how they are. OWNER is the process that it shall not outlive, 0 for none.

It waits for signals: SIGCHLD (a child ended), SIGHUP (read services.json again), SIGTERM or SIGINT (stop everything).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from motet.platform import servers
from motet.platform.bell import ring
from motet.platform.errors import PlatformError, PlatformFailed
from motet.platform.layout import Layout, ServiceSpec
from motet.platform.process import SIGNALS, end_with, identity, prepare_child
from motet.platform.servers import Given, Server

FIRST_BACK_OFF_SECONDS: Final = 0.2
LONGEST_BACK_OFF_SECONDS: Final = 10.0
STEADY_SECONDS: Final = 10.0
START_SECONDS: Final = 60.0
GIVEN_SECONDS: Final = 10.0
STOP_SECONDS: Final = 15.0
# How often those are looked at who cannot say that they are ready, and everything else in case a signal was missed.
LOOK_SECONDS: Final = 0.05
IDLE_SECONDS: Final = 5.0
LOG_BYTES: Final = 50_000_000


@dataclass(slots=True)
class Child:
    """A process that is kept running."""

    name: str
    kind: str
    command: tuple[str, ...]
    environment: dict[str, str]
    check: Callable[[], bool]
    user: str | None = None
    stop: signal.Signals = signal.SIGTERM
    process: subprocess.Popen[bytes] | None = None
    state: str = "stopped"
    identity: str | None = None
    restarts: int = 0
    failures: int = 0
    since: float = 0.0
    # The same by the monotonic clock, which nobody sets.
    began: float = 0.0
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
        self.changed = False
        self.written: dict[str, Any] = {}
        self.phase = "starting"

    def run(self) -> None:
        """Runs until told to stop."""
        self.write_state()
        try:
            self.start_servers()
            self.start_services()
            self.phase = "running"
            while not self.stopping:
                if self.changed:
                    self.start_services()
                self.write_state()
                self.wait(LOOK_SECONDS if self.awaited() else IDLE_SECONDS)
                self.revive()
        except PlatformError as error:
            self.layout.write(self.layout.failure, {"message": str(error)})
        finally:
            self.stop_all()
            self.layout.state.unlink(missing_ok=True)

    def start_servers(self) -> None:
        """Starts what the others need, verifies each by a request."""
        plan = servers.plan(self.layout)
        self.addresses = plan.addresses.environment()
        for one in plan.given:
            self.await_given(one)
        for group in (plan.first, plan.second):
            for server in group:
                self.start_server(server)
            for server in group:
                self.await_server(server.name)
        if self.prepare and not self.stopping:
            self.run_prepare()

    def await_given(self, given: Given) -> None:
        """Waits until a server of the user's own answers."""
        deadline = time.monotonic() + GIVEN_SECONDS
        while not self.stopping and not given.check():
            if time.monotonic() > deadline:
                raise PlatformFailed(
                    f"{given.variable} is {given.value}, and nothing answers there within {GIVEN_SECONDS:.0f} s: "
                    "start it, correct the address, or unset the variable to have a server started here"
                )
            self.wait(LOOK_SECONDS)

    def start_server(self, server: Server) -> None:
        """Starts a server as a child."""
        if not self.stopping:
            self.start(
                Child(server.name, "server", server.command, server.environment, server.check, server.user, server.stop)
            )

    def await_server(self, name: str) -> None:
        """Waits until a server answers."""
        deadline = time.monotonic() + START_SECONDS
        while not self.stopping and not self.children[name].check():
            self.wait(LOOK_SECONDS)
            child = self.children[name]
            if child.process is None or child.process.poll() is not None:
                raise PlatformFailed(f"{name} ended at its start:\n{self.layout.last_lines(name)}")
            if time.monotonic() > deadline:
                raise PlatformFailed(
                    f"{name} did not answer within {START_SECONDS:.0f} s:\n{self.layout.last_lines(name)}"
                )
        if not self.stopping:
            self.children[name].state = "ready"
            self.write_state()

    def run_prepare(self) -> None:
        """Runs the command that comes before the services, to its end."""
        child = Child("prepare", "task", tuple(self.prepare), dict(self.addresses), lambda: False)
        self.start(child)
        self.write_state()
        while not self.stopping and child.process is not None and child.process.poll() is None:
            self.wait(IDLE_SECONDS)
        if not self.stopping and (child.process is None or child.process.returncode):
            raise PlatformFailed(f"{' '.join(self.prepare)} failed:\n{self.layout.last_lines('prepare', 40)}")
        self.end([child])
        del self.children["prepare"]

    def start_services(self) -> None:
        """Starts the services that are wanted and not there, stops those that are there and not wanted."""
        self.changed = False
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
        return Child(spec.name, "service", spec.command, environment, self.layout.ready(spec.name).exists)

    def start(self, child: Child) -> None:
        """Starts a child; its output goes to its log."""
        log = self.layout.log(child.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        ready = self.layout.ready(child.name)
        ready.parent.mkdir(parents=True, exist_ok=True)
        ready.unlink(missing_ok=True)
        child.state, child.since, child.began = "starting", time.time(), time.monotonic()
        self.children[child.name] = child
        with log.open("ab") as output:
            try:
                child.process = subprocess.Popen(
                    child.command,
                    env={**os.environ, **child.environment},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    user=child.user,
                    cwd="/" if child.user else None,
                    preexec_fn=partial(prepare_child, os.getpid(), child.stop),  # noqa: PLW1509  there is one thread
                )
            except OSError as error:
                output.write(f"{' '.join(child.command)} cannot be started: {error}\n".encode())
                self.note_end(child)
                return
        child.identity = identity(child.process.pid)

    def wait(self, seconds: float) -> None:
        """Waits for a signal, and does what it asks."""
        received = signal.sigtimedwait(SIGNALS, seconds)
        if received is None:
            return
        if received.si_signo in (signal.SIGTERM, signal.SIGINT):
            self.stopping = True
        elif received.si_signo == signal.SIGHUP:
            self.changed = True

    def awaited(self) -> bool:
        """Whether a child is about to be ready or to be started again."""
        return any(child.state in ("starting", "backing off") for child in self.children.values())

    def revive(self) -> None:
        """Notes who is ready and who ended; starts again whose time has come."""
        for child in self.children.values():
            if child.process is not None and child.process.poll() is not None:
                self.note_end(child)
            elif child.state == "starting" and child.check():
                child.state, child.failures = "ready", 0
            if child.state == "backing off" and time.monotonic() >= child.due and not self.stopping:
                child.restarts += 1
                self.start(child)

    def note_end(self, child: Child) -> None:
        """A child ended by itself: it waits, twice as long as last time unless it had been steady."""
        steady = time.monotonic() - child.began > STEADY_SECONDS
        child.back_off = FIRST_BACK_OFF_SECONDS if steady else min(child.back_off * 2, LONGEST_BACK_OFF_SECONDS)
        child.due = time.monotonic() + child.back_off
        child.failures += child.state == "starting"
        child.process, child.identity, child.state = None, None, "backing off"

    def stop_all(self) -> None:
        """Services first, all at once; then the servers, the last started first."""
        self.phase = "stopping"
        self.write_state()
        children = list(self.children.values())
        self.end([child for child in children if child.kind != "server"])
        for child in reversed([child for child in children if child.kind == "server"]):
            self.end([child])

    def end(self, children: list[Child]) -> None:
        """Asks children to end, and kills those that do not in time."""
        processes = [child.process for child in children if child.process is not None and child.process.poll() is None]
        for child in children:
            if child.process is not None:
                child.process.send_signal(child.stop)
        deadline = time.monotonic() + STOP_SECONDS
        for process in processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for child in children:
            child.process, child.identity, child.state = None, None, "stopped"

    def write_state(self) -> None:
        """Says how everything is, and wakes those who wait, if something is new."""
        processes: list[dict[str, Any]] = [
            {
                "name": child.name,
                "kind": child.kind,
                "pid": child.process.pid if child.process is not None else None,
                "state": child.state,
                "identity": child.identity,
                "restarts": child.restarts,
                "failures": child.failures,
                "since": child.since,
            }
            for child in self.children.values()
        ]
        state = {
            "pid": os.getpid(),
            "identity": identity(os.getpid()),
            "phase": self.phase,
            "addresses": self.addresses,
            "processes": processes,
        }
        if state != self.written:
            self.layout.write(self.layout.state, state)
            self.written = state
            ring(self.layout.bells)


def main() -> None:
    """The supervisor process."""
    directory, owner = Path(sys.argv[1]), int(sys.argv[2])
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    if owner:
        end_with(owner, signal.SIGTERM)
    Supervisor(directory, sys.argv[3:]).run()


if __name__ == "__main__":
    main()
