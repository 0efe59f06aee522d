"""The real servers of a user's tests: those that MOTET_* names, else Docker's, else child processes. A failure to start fails the tests."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from motet.catalog.location import PACKAGE
from motet.chassis import provision
from motet.chassis.registry import Registry
from motet.platform import Addresses, Platform
from motet.platform.ports import free_port
from motet.testing.processes import given_servers

ANSWER_SECONDS: Final = 20.0
COMPOSE: Final = "docker-compose.yml"
INSIDE: Final = {"kafka": 19092, "postgres": 5432, "registry": 8080}


@contextmanager
def servers() -> Iterator[Addresses]:
    """Servers that answer, for as long as they are wanted. Raises ConfigurationError, PlatformFailed."""
    given = given_servers()
    if given is not None:
        yield given
    elif docker_answers():
        with on_docker() as addresses:
            yield addresses
    else:
        with embedded() as addresses:
            yield addresses


@contextmanager
def embedded() -> Iterator[Addresses]:
    """Child processes in a folder of their own; they end with this process, however that ends."""
    with tempfile.TemporaryDirectory(prefix="motet-testing-", ignore_cleanup_errors=True) as name:
        # Others may enter: started by root, PostgreSQL is another user.
        Path(name).chmod(0o755)
        platform = Platform.up(Path(name) / ".motet", [], lifetime="caller")
        try:
            yield platform.addresses
        finally:
            platform.down()


def compose_folder() -> Path:
    """Where docker-compose.yml is: inside the installed wheel, or at the top of a checkout."""
    installed = PACKAGE / "docker"
    return installed if installed.is_dir() else PACKAGE.parent.parent


def docker_answers() -> bool:
    """Whether a Docker daemon is there, with its command line, and testcontainers is installed to talk to it."""
    if find_spec("testcontainers") is None or shutil.which("docker") is None:
        return False
    try:
        asked = subprocess.run(["docker", "info"], capture_output=True, timeout=ANSWER_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


def own(directory: Path) -> str:
    """A project's name and ports that nobody else has, in a file: a stack that runs already is somebody's, and stays as it is."""
    names = {name: free_port() for name in ("KAFKA_PORT", "POSTGRES_PORT", "REGISTRY_PORT")}
    lines = [
        f"COMPOSE_PROJECT_NAME=motet-testing-{uuid.uuid4().hex[:12]}",
        *(f"{name}={port}" for name, port in names.items()),
    ]
    path = directory / "own.env"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


@contextmanager
def on_docker() -> Iterator[Addresses]:
    """The servers of docker-compose.yml, up and healthy; removed with their data afterwards."""
    from testcontainers.compose import DockerCompose  # noqa: PLC0415  it need not be there

    with (
        tempfile.TemporaryDirectory(prefix="motet-compose-") as directory,
        DockerCompose(
            compose_folder(), compose_file_name=COMPOSE, services=[*INSIDE], wait=True, env_file=own(Path(directory))
        ) as compose,
    ):
        ports = {name: compose.get_service_port(name, port) for name, port in INSIDE.items()}
        yield Addresses(
            f"127.0.0.1:{ports['kafka']}",
            f"postgresql://motet:motet@127.0.0.1:{ports['postgres']}/motet",
            f"http://127.0.0.1:{ports['registry']}/apis/ccompat/v7",
        )


def provisioned(addresses: Addresses) -> None:
    """Makes the topics and schemas that every installation has."""
    with closing(Registry(addresses.registry)) as registry:
        provision.ensure(addresses.kafka, registry, provision.fixed_topics())
