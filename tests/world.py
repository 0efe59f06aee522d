"""A running Motet for a test: its service processes on the session's servers, its own tenant, and a client."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import Producer

from motet.chassis import provision
from motet.chassis.lag import lag_of
from motet.chassis.message import Message
from motet.chassis.registry import Registry
from motet.chassis.waiting import wait_until
from motet.client import Client, Event
from motet.client.events import Tail
from motet.platform import Addresses

READY_SECONDS = 60.0
STOP_SECONDS = 30.0
TESTS = Path(__file__).parent


@dataclass
class Process:
    """One service process."""

    name: str
    child: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        """Everything that it wrote."""
        return self.log.read_text(errors="replace")

    def await_end(self, seconds: float = STOP_SECONDS) -> int:
        """Its exit code, once it has ended."""
        return self.child.wait(seconds)

    def stop(self) -> int:
        """Asks it to end, and waits for it."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        return self.await_end()

    def kill(self) -> None:
        """SIGKILL."""
        self.child.kill()
        self.child.wait()


@dataclass
class World:
    """What a test runs and asks. `tenant` is the test's own."""

    addresses: Addresses
    directory: Path
    tenant: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:12]}")
    running: dict[str, Process] = field(default_factory=dict)
    opened: list[Client] = field(default_factory=list)

    def launch(self, name: str, *arguments: str, **environment: str) -> Process:
        """Starts `motet ARGUMENTS` without waiting for it."""
        log = self.directory / f"{name}.log"
        ready = self.directory / f"{name}.ready"
        ready.unlink(missing_ok=True)
        path = os.pathsep.join([str(TESTS.parent / "services"), str(TESTS / "integration")])
        with log.open("ab") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", "motet", *arguments],
                env={
                    **{key: value for key, value in os.environ.items() if not key.startswith("MOTET_")},
                    **self.addresses.environment(),
                    "MOTET_READY_FILE": str(ready),
                    "PYTHONPATH": path,
                    **environment,
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.running[name] = Process(name, child, log)
        return self.running[name]

    def start(self, name: str, *arguments: str, **environment: str) -> Process:
        """Starts `motet ARGUMENTS` and waits until its shards are claimed, or until it has ended."""
        process = self.launch(name, *arguments, **environment)
        ready = self.directory / f"{name}.ready"
        wait_until(
            lambda: ready.exists() or process.child.poll() is not None,
            READY_SECONDS,
            f"{name} is ready:\n{process.said()}",
        )
        return process

    def coordinator(self, **environment: str) -> Process:
        """Starts the coordinator."""
        return self.start("coordinator", "serve", "coordinator", **environment)

    def agents(self, **environment: str) -> Process:
        """Starts the agents' service."""
        return self.start("agents", "serve", "agents", **environment)

    def projector(self, **environment: str) -> Process:
        """Starts the projector."""
        return self.start("projector", "serve", "projector", **environment)

    def leases(self, **environment: str) -> Process:
        """Starts the lease service."""
        return self.start("leases", "serve", "leases", **environment)

    def tools(self, module: str, **environment: str) -> Process:
        """Starts the tool service of a module."""
        return self.start(f"tools-{Path(module).stem}", "tools", "serve", module, **environment)

    def client(self, domain: str = "main") -> Client:
        """A client of this test's tenant."""
        made = Client(self.addresses.kafka, self.addresses.registry, tenant=self.tenant, domain=domain)
        self.opened.append(made)
        return made

    def producer(self, **settings: Any) -> Producer:
        """A plain Kafka producer, as anybody may have one."""
        return Producer({"bootstrap.servers": self.addresses.kafka, **settings})

    def sql(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        """Rows from PostgreSQL, as its owner sees them."""
        with psycopg.connect(self.addresses.postgres) as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    def events(self) -> list[Event]:
        """Every event of this test's tenant up to now, as Kafka has it, repeats included."""
        return list(self.client().events(tenant=self.tenant, follow=False))

    def messages(self, topic: str) -> list[Message]:
        """Everything on a topic up to now."""
        tail = Tail(self.addresses.kafka, topic, from_beginning=True)
        try:
            return [message for batch in tail.batches(lambda: False, follow=False) for message in batch]
        finally:
            tail.close()

    def await_no_lag(self, *services: str) -> None:
        """Waits until services have taken everything that is in Kafka."""
        wait_until(
            lambda: not any(sum(topics.values()) for topics in lag_of(self.addresses.kafka, services).values()),
            READY_SECONDS,
            f"no lag of {', '.join(services)}",
        )

    def close(self) -> None:
        """Ends everything."""
        for client in self.opened:
            client.close()
        for process in self.running.values():
            if process.child.poll() is None:
                process.child.send_signal(signal.SIGTERM)
        for process in self.running.values():
            try:
                process.await_end()
            except subprocess.TimeoutExpired:
                process.kill()


def with_topics(addresses: Addresses) -> Addresses:
    """Servers, once they have every fixed topic and schema."""
    registry = Registry(addresses.registry)
    provision.ensure(addresses.kafka, registry, provision.fixed_topics())
    registry.close()
    return addresses


@pytest.fixture(scope="session")
def provisioned(addresses: Addresses) -> Addresses:
    """The session's servers, with every fixed topic and schema."""
    return with_topics(addresses)


@pytest.fixture
def world(provisioned: Addresses, tmp_path: Path) -> Iterator[World]:
    """A world of one test."""
    made = World(provisioned, tmp_path)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def shared_world(provisioned: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world of one file, for tests that only look at their own domain."""
    made = World(provisioned, tmp_path_factory.mktemp("world"))
    try:
        yield made
    finally:
        made.close()
