"""The real servers that the integration tests use: yours, Docker's, or child processes. A failure to start fails the tests."""

from __future__ import annotations

import os
import subprocess
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from docker.client import DockerClient
from docker.errors import DockerException
from testcontainers.compose import DockerCompose

from motet.chassis.waiting import wait_until
from motet.platform import Addresses, Platform, servers, unprivileged
from motet.platform.layout import Layout
from motet.platform.ports import free_port
from motet.platform.process import end_with

ROOT: Final = Path(__file__).resolve().parents[1]
NAMED: Final = ("MOTET_KAFKA_BOOTSTRAP", "MOTET_POSTGRES_URL", "MOTET_SCHEMA_REGISTRY_URL")
DOCKER_SOCKET: Final = Path("/var/run/docker.sock")
ON_DOCKER: Final = ("kafka", "postgres", "registry")


@contextmanager
def open_directory() -> Iterator[Path]:
    """A folder for a platform. Others may enter: started by root, PostgreSQL is another user."""
    with tempfile.TemporaryDirectory(prefix="motet-tests-", ignore_cleanup_errors=True) as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


class IncompleteAddresses(Exception):
    """Some of the three addresses are set and others not: tests would run on a mixture that nobody meant."""


def given(environment: Mapping[str, str]) -> Addresses | None:
    """The servers that the environment names: all three or none."""
    values = [environment.get(name, "") for name in NAMED]
    if not any(values):
        return None
    if not all(values):
        missing = ", ".join(name for name, value in zip(NAMED, values, strict=True) if not value)
        raise IncompleteAddresses(f"{missing} not set while others of {', '.join(NAMED)} are: set all three, or none")
    return Addresses(*values)


def docker_answers() -> bool:
    """Whether a Docker daemon is there."""
    # The client leaks the socket of a refused connection, so it is asked only where there is something to connect to.
    if not os.environ.get("DOCKER_HOST") and not DOCKER_SOCKET.is_socket():
        return False
    try:
        client = DockerClient.from_env(timeout=5)
    except DockerException:
        return False
    try:
        return bool(client.ping())
    except DockerException:
        return False
    finally:
        client.close()


def are_there(environment: Mapping[str, str]) -> bool:
    """Whether servers are there once, given or Docker's; otherwise each who asks for them starts some."""
    return given(environment) is not None or docker_answers()


@contextmanager
def on_docker() -> Iterator[Addresses]:
    """The servers of docker-compose.yml, up and healthy; removed with their data afterwards."""
    with DockerCompose(ROOT, compose_file_name="docker-compose.yml", services=list(ON_DOCKER), wait=True) as compose:
        ports = {
            name: compose.get_service_port(name, inside)
            for name, inside in (("kafka", 19092), ("postgres", 5432), ("registry", 8080))
        }
        yield Addresses(
            f"127.0.0.1:{ports['kafka']}",
            f"postgresql://motet:motet@127.0.0.1:{ports['postgres']}/motet",
            f"http://127.0.0.1:{ports['registry']}/apis/ccompat/v7",
        )


@contextmanager
def embedded(directory: Path) -> Iterator[Addresses]:
    """Child processes; they end with this process, however that ends."""
    platform = Platform.up(directory, [], lifetime="caller")
    try:
        yield platform.addresses
    finally:
        platform.down()


@contextmanager
def postgres_alone(directory: Path, environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """PostgreSQL without Kafka and registry: yours, or a child process."""
    named = environment.get("MOTET_POSTGRES_URL", "")
    if named:
        yield named
        return
    port = free_port()
    with warnings.catch_warnings():
        # The wheel looks for a runtime directory as it is imported, and says so where there is none.
        warnings.simplefilter("ignore")
        server = servers.postgres(Layout(directory), port)
    with (directory / "postgres.log").open("wb") as output:
        child = subprocess.Popen(
            server.command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=server.user,
            cwd="/" if server.user else None,
            preexec_fn=partial(end_with, os.getpid(), server.stop),  # noqa: PLW1509  it only has the child end with us
        )
    try:
        wait_until(lambda: server.check() or child.poll() is not None, 60.0, "PostgreSQL answers")
        yield f"postgresql://{servers.USER}:{servers.PASSWORD}@127.0.0.1:{port}/motet"
    finally:
        child.send_signal(server.stop)
        child.wait(30.0)
        unprivileged.remove(directory)


@contextmanager
def running(directory: Path, environment: Mapping[str, str] = os.environ) -> Iterator[Addresses]:
    """Servers that answer."""
    named = given(environment)
    if named is not None:
        yield named
    elif docker_answers():
        with on_docker() as addresses:
            yield addresses
    else:
        with embedded(directory) as addresses:
            yield addresses
