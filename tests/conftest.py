"""What tests of all kinds share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import hypothesis
import pytest

import servers
import workers
from motet.chassis.settings import Settings
from motet.platform import Addresses

pytest_plugins = ["world", "witness"]

# Outcomes are counted and not timed: on a busy machine any example may take long.
hypothesis.settings.register_profile("motet", deadline=None)
hypothesis.settings.load_profile("motet")

# Taken out before any test runs: a test's settings are passed to it, never found in the environment of who runs the tests.
GIVEN: Final = {name: os.environ.pop(name) for name in [*os.environ] if name.startswith("MOTET_")}
# Where things are installed is no setting of a service.
os.environ.update({name: value for name, value in GIVEN.items() if name == "MOTET_KAFKA_LIBS"})


@pytest.fixture(scope="session")
def addresses() -> Iterator[Addresses]:
    """Real servers, started when the first test asks for them and shared by all."""
    with servers.open_directory() as directory, servers.running(directory / ".motet", GIVEN) as found:
        yield found


@pytest.fixture
def settings(addresses: Addresses) -> Settings:
    """A service's settings on these servers, everything else as it is by default."""
    return Settings(
        kafka_bootstrap=addresses.kafka, postgres_url=addresses.postgres, schema_registry_url=addresses.registry
    )


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """What `-n auto` is."""
    chosen = config.args_source is not config.ArgsSource.TESTPATHS or config.option.keyword or config.option.markexpr
    return workers.number(GIVEN, whole=not chosen)


def pytest_configure(config: pytest.Config) -> None:
    """Several processes have servers of their own, or the run does not begin."""
    try:
        workers.check(config.getoption("numprocesses", None), GIVEN)
    except workers.ServersAreShared as error:
        raise pytest.UsageError(str(error)) from error


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slowest files first; a test that looks at what the others of its file left after them, whatever the order otherwise."""
    first_of = {item.path: at for at, item in reversed(list(enumerate(items)))}
    # Stable: files in the order of their first test, within each everything as it was.
    items.sort(
        key=lambda item: (workers.place(item.path), first_of[item.path], item.get_closest_marker("last") is not None)
    )
