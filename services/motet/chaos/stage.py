"""What is broken on purpose: servers of its own, every service, the witness, and a network between them that does as it is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from motet.chaos.clocks import RIGHT, Clock, library
from motet.chaos.proxy import Network, Proxy
from motet.chaos.volumes import Volume, mounted, unmount
from motet.chaos.witness import Witness
from motet.chassis.errors import ConfigurationError
from motet.chassis.settings import Settings
from motet.chassis.waiting import wait_until
from motet.client import Client
from motet.platform import Addresses, Platform, ServiceSpec, unprivileged
from motet.platform.ports import free_port
from motet.platform.process import end_with

# A silent member's shards move after this: what is paused for longer is taken for dead, and wakes up as a zombie.
SESSION_SECONDS: Final = 6.0
# Who is away from Kafka for longer, in a hop, loses its shards too.
POLL_SECONDS: Final = 8.0
BACK_SECONDS: Final = 60.0
TOOLSETS: Final = {"tools-chaos": "motet.chaos.toolset", "tools-bank": "motet.demo.toolsets.bank"}
# Servers whose data may be on a small disk.
DISKS: Final = ("kafka", "postgres")
GIVEN: Final = ("MOTET_KAFKA_BOOTSTRAP", "MOTET_POSTGRES_URL", "MOTET_SCHEMA_REGISTRY_URL", "MOTET_KAFKA_PROPERTIES")
LISTENER: Final = """\
listeners=PROXIED://127.0.0.1:{listen}
advertised.listeners=PROXIED://127.0.0.1:{advertise}
listener.security.protocol.map=PROXIED:PLAINTEXT
"""


def pause(seconds: float) -> None:
    """Lets time pass, which is what some faults are made of."""
    threading.Event().wait(max(0.0, seconds))


@dataclass
class Stage:
    """Everything that a fault may touch. Services and clients reach the servers through `network`, whoever judges reaches them directly."""

    platform: Platform
    network: Network
    kafka: Proxy
    postgres: Proxy
    witness: Witness
    specs: tuple[ServiceSpec, ...]
    # Small disks by server, and each service's clock; empty where this machine does not have what they need.
    volumes: dict[str, Volume] = field(default_factory=dict)
    clocks: dict[str, Clock] = field(default_factory=dict)
    replicas: list[subprocess.Popen[bytes]] = field(default_factory=list)
    stopped: set[int] = field(default_factory=set)
    # Records that a fault wrote by another hand than Motet's, and those of them that stand on internal topics.
    poisoned: set[str] = field(default_factory=set)
    poisoned_lanes: set[str] = field(default_factory=set)
    # What a fault itself saw that must not be.
    found: list[str] = field(default_factory=list)
    # Set while the load is to be ten times what it usually is.
    burst: threading.Event = field(default_factory=threading.Event)

    @property
    def addresses(self) -> Addresses:
        """The servers themselves."""
        return self.platform.addresses

    @property
    def settings(self) -> Settings:
        """What a command that reads needs."""
        where = self.addresses
        return Settings(
            kafka_bootstrap=where.kafka,
            postgres_url=where.postgres,
            schema_registry_url=where.registry,
            log_level="error",
        )

    @property
    def bootstrap(self) -> str:
        """Kafka, through the network."""
        return f"127.0.0.1:{self.kafka.port}"

    @property
    def services(self) -> list[str]:
        """The services' names."""
        return [one.name for one in self.specs]

    def client(self) -> Client:
        """A client as everybody has one: through the network."""
        return Client(self.bootstrap, self.addresses.registry, tenant="chaos", agent="chaos")

    # -- processes ---------------------------------------------------------------------------------------------------------

    def send(self, name: str, number: signal.Signals) -> bool:
        """Sends a signal to a process; False if it does not run at the moment."""
        pid = self.platform.pid(name)
        if pid is None:
            return False
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        if number == signal.SIGSTOP:
            self.stopped.add(pid)
        elif number == signal.SIGCONT:
            self.stopped.discard(pid)
        return True

    def strike(self, name: str, number: signal.Signals) -> bool:
        """Ends a process by a signal, and waits until it was started again and is ready; False if it did not run. Raises PlatformFailed."""
        before = next(one.restarts for one in self.platform.status() if one.name == name)
        if not self.send(name, number):
            return False
        self.platform.await_process(name, lambda one: one.restarts > before and one.state == "ready", BACK_SECONDS)
        return True

    def await_back(self, names: Sequence[str]) -> None:
        """Waits until processes run and are ready. Raises PlatformFailed."""
        for name in names:
            self.platform.await_process(name, lambda one: one.state == "ready", BACK_SECONDS)

    def replica(self, name: str, number: int = 1, **environment: str) -> subprocess.Popen[bytes]:
        """One more process of a service, as another replica of it."""
        spec = next(one for one in self.specs if one.name == name)
        layout = self.platform.layout
        label = f"{name}-{number}"
        child = {**os.environ, **self.addresses.environment(), **spec.environment, **environment}
        child |= {"MOTET_REPLICA": str(number), "MOTET_READY_FILE": str(layout.ready(label))}
        layout.ready(label).unlink(missing_ok=True)
        with layout.log(label).open("ab") as output:
            process = subprocess.Popen(
                spec.command,
                env=child,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=partial(end_with, os.getpid(), signal.SIGKILL),  # noqa: PLW1509  it only has the child end with us
            )
        self.replicas.append(process)
        return process

    def end(self, process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM) -> None:
        """Ends one of those, and waits for it."""
        process.send_signal(number)
        try:
            process.wait(BACK_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with suppress(ValueError):
            self.replicas.remove(process)

    # -- afterwards --------------------------------------------------------------------------------------------------------

    def heal(self) -> None:
        """Takes back whatever was done, and waits until every process is there again. Raises PlatformFailed."""
        self.network.clear()
        self.burst.clear()
        for volume in self.volumes.values():
            volume.free()
        for clock in self.clocks.values():
            clock.set(RIGHT)
        for pid in list(self.stopped):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self.stopped.clear()
        for process in list(self.replicas):
            self.end(process)
        self.witness.behave()
        self.await_back(["kafka", "postgres", "registry", *self.services])
        # Its connections to PostgreSQL may be dead, and it hears of it one by one.
        wait_until(lambda: registry_knows(self.addresses.registry), BACK_SECONDS, "the registry answers")


def registry_knows(base: str) -> bool:
    """Whether the registry looks into its database, and finds or does not find a schema."""
    try:
        with urllib.request.urlopen(f"{base}/schemas/ids/1", timeout=5):  # noqa: S310  the address is ours
            return True
    except urllib.error.HTTPError as error:
        return error.code == HTTPStatus.NOT_FOUND
    except OSError:
        return False


@contextmanager
def staged(directory: Path, core: Sequence[ServiceSpec], report: Callable[[str], None]) -> Iterator[Stage]:
    """A stage on empty servers under a directory, which is removed at the end. Raises ConfigurationError where servers are given."""
    given = [name for name in GIVEN if os.environ.get(name)]
    if given:
        raise ConfigurationError(f"{', '.join(given)}: chaos breaks servers, so it starts its own; run it without")
    remove(directory)
    directory.mkdir(parents=True)
    report("starting empty servers")
    with ExitStack() as stack:
        kafka, postgres = Proxy(free_port(), kafka=True), Proxy(0, kafka=False)
        network = stack.enter_context(Network(kafka, postgres))
        (directory / "kafka.properties").write_text(LISTENER.format(listen=kafka.target, advertise=kafka.port))
        stack.callback(remove, directory)
        volumes = {name: stack.enter_context(mounted(directory / name)) for name in DISKS}
        platform = Platform.up(directory, [], lifetime="caller")
        stack.callback(platform.down)
        url = urlsplit(platform.addresses.postgres)
        postgres.target = url.port or 5432
        (directory / "witness").mkdir()
        witness = Witness.start(directory / "witness")
        stack.callback(witness.stop)
        environment = {
            "MOTET_KAFKA_BOOTSTRAP": f"127.0.0.1:{kafka.port}",
            "MOTET_POSTGRES_URL": urlunsplit(url._replace(netloc=f"{url.netloc.rpartition(':')[0]}:{postgres.port}")),
            "MOTET_SESSION_TIMEOUT_MS": str(int(SESSION_SECONDS * 1_000)),
            "MOTET_MAX_POLL_INTERVAL_MS": str(int(POLL_SECONDS * 1_000)),
            "WITNESS_URL": witness.url,
        }
        clocks, specs = clocked(directory, [*core, *tool_services()], environment)
        report("starting the services")
        platform.add_services(specs)
        there = {name: volume for name, volume in volumes.items() if volume is not None}
        stage = Stage(platform, network, kafka, postgres, witness, tuple(specs), there, clocks)
        stack.callback(end_replicas, stage)
        yield stage


def remove(directory: Path) -> None:
    """Takes away what is under the stage's directory, also what a killed run left mounted."""
    for name in DISKS:
        unmount(directory / name)
    unprivileged.remove(directory)


def tool_services() -> list[ServiceSpec]:
    """The services of the tools that agents use."""
    command = (sys.executable, "-m", "motet", "tools", "serve")
    return [ServiceSpec(name, (*command, module)) for name, module in TOOLSETS.items()]


def clocked(
    directory: Path, services: Sequence[ServiceSpec], environment: dict[str, str]
) -> tuple[dict[str, Clock], list[ServiceSpec]]:
    """Services in an environment, each with a clock of its own where the library for it is there."""
    preload = library()
    clocks = {} if preload is None else {one.name: Clock(directory / f"{one.name}.clock") for one in services}
    return clocks, [
        ServiceSpec(
            one.name,
            one.command,
            environment | (clocks[one.name].environment(preload) if preload is not None else {}),
        )
        for one in services
    ]


def end_replicas(stage: Stage) -> None:
    """Nobody stays behind."""
    for process in stage.replicas:
        process.kill()
        process.wait()
