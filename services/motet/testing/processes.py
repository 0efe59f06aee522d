"""Motet's services as processes of a test or of a proof, on servers that are there; they end with this process, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Self

import psycopg

from motet.chassis.errors import ConfigurationError, MotetError
from motet.chassis.loading import has_one
from motet.chassis.waiting import NotInTime, wait_until
from motet.platform import Addresses
from motet.platform.process import end_with
from motet.tools.loading import load
from motet.tools.toolset import Toolset

READY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 30.0
LAST_CHARACTERS: Final = 2_000
# What belongs to one process, and is not handed on.
OWN: Final = ("MOTET_READY_FILE", "MOTET_REPLICA", "MOTET_CRASH_AT", "MOTET_CRASH_REPORT")
# The coordinator's shards have each contract, all versions.
KNOWN: Final = "SELECT count(*) = (SELECT count(*) FROM coordinator.shard) FROM coordinator.contract WHERE name = %s AND version = %s"


class ServiceEnded(MotetError):
    """A service process ended before it was ready. Its last words are in the message."""


def ending() -> Callable[[], None] | None:
    """Has a child end with this process. Only Linux has a word for that; elsewhere `close` ends it."""
    return partial(end_with, os.getpid(), signal.SIGKILL) if sys.platform == "linux" else None


@dataclass
class ServiceProcess:
    """One service process."""

    name: str
    child: subprocess.Popen[bytes]
    log: Path
    ready: Path

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.child.poll() is None

    def said(self) -> str:
        """The end of what it wrote."""
        return self.log.read_text(errors="replace")[-LAST_CHARACTERS:]

    def await_ready(self) -> None:
        """Waits until its shards are claimed, or until it has ended."""
        try:
            wait_until(lambda: self.ready.exists() or not self.alive, READY_SECONDS, f"{self.name} is ready")
        except NotInTime as error:
            raise ServiceEnded(f"{error}; it says:\n{self.said()}") from error

    def stop(self) -> None:
        """Asks it to end, and waits for it."""
        if self.alive:
            self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL."""
        self.child.kill()
        self.child.wait()


@dataclass
class Services:
    """Processes by name; a context manager that ends them all. Logs are in `directory`."""

    addresses: Addresses
    directory: Path
    running: dict[str, ServiceProcess] = field(default_factory=dict)

    def launch(self, name: str, *arguments: str, **environment: str) -> ServiceProcess:
        """Starts `motet ARGUMENTS` without waiting for it."""
        log, ready = self.directory / f"{name}.log", self.directory / f"{name}.ready"
        ready.unlink(missing_ok=True)
        handed = {key: value for key, value in os.environ.items() if key not in OWN}
        with log.open("ab") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", "motet", *arguments],
                env={**handed, **self.addresses.environment(), "MOTET_READY_FILE": str(ready), **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=ending(),  # noqa: PLW1509  it only has the child end with us
            )
        self.running[name] = ServiceProcess(name, child, log, ready)
        return self.running[name]

    def start(self, name: str, *arguments: str, **environment: str) -> ServiceProcess:
        """Starts `motet ARGUMENTS` and waits until it is ready. Raises ServiceEnded."""
        process = self.launch(name, *arguments, **environment)
        process.await_ready()
        if not process.alive:
            raise ServiceEnded(f"{name} ended with {process.child.returncode}:\n{process.said()}")
        return process

    def core(self, name: str) -> ServiceProcess:
        """One of Motet's own services; the one that runs, if it does."""
        found = self.running.get(name)
        return found if found is not None and found.alive else self.start(name, "serve", name)

    def module(self, reference: str, **environment: str) -> None:
        """The service of a module's toolset or agent, unless it runs. Raises ServiceEnded, ConfigurationError."""
        from motet import agency  # noqa: PLC0415  most tests have no agents

        toolset = None if has_one(reference, agency.Agent) else load(reference)
        name = f"agent-{agency.load(reference).name}" if toolset is None else f"tools-{toolset.name}"
        running = self.running.get(name)
        if running is not None and running.alive:
            return
        if toolset is None:
            self.start(name, "agents", "serve", reference, **environment)
        else:
            self.tools(toolset, reference, **environment)

    def tools(self, toolset: Toolset, reference: str, **environment: str) -> ServiceProcess:
        """A tool service, once the coordinator knows its contracts."""
        process = self.start(f"tools-{toolset.name}", "tools", "serve", reference, **environment)
        self.await_contracts(toolset)
        return process

    def await_contracts(self, toolset: Toolset) -> None:
        """Waits until each shard of the coordinator knows each contract: a plan would be rejected before."""
        with psycopg.connect(self.addresses.postgres, autocommit=True) as connection:
            for tool in toolset.tools:
                place = (tool.name, tool.version)

                def known(place: tuple[str, int] = place) -> bool:
                    row = connection.execute(KNOWN, place).fetchone()
                    return row is not None and bool(row[0])

                wait_until(known, READY_SECONDS, f"the coordinator knows {tool.name} version {tool.version}")

    def close(self) -> None:
        """Ends everything."""
        for process in self.running.values():
            if process.alive:
                process.child.send_signal(signal.SIGTERM)
        for process in self.running.values():
            process.stop()
        self.running.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def given_servers() -> Addresses | None:
    """The servers that the environment names: all three, or none. Raises ConfigurationError for some of them."""
    names = ("MOTET_KAFKA_BOOTSTRAP", "MOTET_POSTGRES_URL", "MOTET_SCHEMA_REGISTRY_URL")
    values = [os.environ.get(name, "") for name in names]
    if not any(values):
        return None
    missing = [name for name, value in zip(names, values, strict=True) if not value]
    if missing:
        raise ConfigurationError(
            f"{', '.join(missing)} not set while others of {', '.join(names)} are: set all, or none"
        )
    return Addresses(*values)
