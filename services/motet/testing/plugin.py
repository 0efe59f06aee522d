"""The pytest plugin: `rehearsal` for plans in memory, `motet_addresses`, `motet_client` and `motet_serve` for the real platform.

It is loaded in every run of pytest where Motet is installed, and imports nothing of it until a fixture is asked for. No server starts before
`motet_addresses` is. On servers that are given (MOTET_KAFKA_BOOTSTRAP and the others) a service is there once: run such tests in one process.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from motet.client import Client
    from motet.platform import Addresses
    from motet.testing.processes import Services
    from motet.testing.rehearsal import Rehearsal


class Serve(Protocol):
    """What `motet_serve` is."""

    def __call__(self, *modules: str | Path, **environment: str) -> Services:
        """Starts coordinator, projector and the services of modules, and waits until plans can use their tools.

        A module is a file or `package.module` with a toolset or an agent; the environment is that of these services. Called again it starts what
        does not run.
        """


@pytest.fixture(scope="session")
def motet_addresses() -> Iterator[Addresses]:
    """Real Kafka, PostgreSQL and schema registry: those that MOTET_* names, else Docker's, else child processes; for the whole session."""
    from motet.testing.servers import provisioned, servers  # noqa: PLC0415  most runs need none

    with servers() as found:
        # A client listens to topics, and may come before the services that would make them.
        provisioned(found)
        yield found


@pytest.fixture
def motet_client(motet_addresses: Addresses) -> Iterator[Client]:
    """A client of a tenant that no other test has."""
    from motet.client import Client  # noqa: PLC0415

    tenant = f"t{uuid.uuid4().hex[:12]}"
    with Client(motet_addresses.kafka, motet_addresses.registry, tenant=tenant, domain="test", agent="test") as client:
        yield client


@pytest.fixture
def motet_serve(motet_addresses: Addresses, tmp_path: Path) -> Iterator[Serve]:
    """A function that starts Motet's services and tool services; all of them end after the test, and their logs are in `tmp_path`."""
    from motet.testing.processes import Services  # noqa: PLC0415

    with Services(motet_addresses, tmp_path) as services:

        def serve(*modules: str | Path, **environment: str) -> Services:
            for name in ("coordinator", "projector"):
                services.core(name)
            for module in map(str, modules):
                services.module(module, **environment)
            return services

        yield serve


@pytest.fixture
def rehearsal() -> type[Rehearsal]:
    """`Rehearsal`, to be called with toolsets, a seed and faults: plans in memory, in milliseconds (`motet.testing`)."""
    from motet.testing.rehearsal import Rehearsal  # noqa: PLC0415

    return Rehearsal
