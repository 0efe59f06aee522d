"""The pytest plugin as users have it: pytest in a process of its own, on the page's files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from motet import Call
from motet.platform import Addresses
from motet.testing import Fault, Rehearsal
from motet.testing.faults import What
from motet.testing.servers import COMPOSE, compose_folder
from page import files_of, written
from rehearsed import Ledger, tools
from world import with_topics

PAGE: Final = Path(__file__).parents[2] / "docs" / "testing.md"
# Where the package was installed before it had a plugin, pytest does not know of it by itself.
INSTALLED: Final = any(one.value == "motet.testing.plugin" for one in entry_points(group="pytest11"))
USUAL: Final = ("-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist")


def pytested(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A run of pytest in a folder, as a user has it."""
    plugin = () if INSTALLED else ("-p", "motet.testing.plugin")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MOTET_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *USUAL, *plugin, f"--rootdir={folder}", *arguments],
        cwd=folder,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_page_has_its_files() -> None:
    """None is lost to a misspelt fence."""
    assert set(files_of(PAGE)) == {"till_tools.py", "test_tools.py", "test_plans.py", "test_live.py"}


def test_docker_would_find_its_file() -> None:
    """With what it mounts; the wheel has both in a folder of their own."""
    assert (compose_folder() / COMPOSE).is_file()
    assert (compose_folder() / "deploy" / "postgres" / "registry.sql").is_file()


def test_tools_and_plans_of_the_page_pass_without_servers(tmp_path: Path) -> None:
    """In a second or two, and nothing is started."""
    done = pytested(written(PAGE, tmp_path), "test_tools.py", "test_plans.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 passed" in done.stdout


@pytest.mark.timeout(180)
def test_the_live_test_of_the_page_passes(addresses: Addresses, tmp_path: Path) -> None:
    """On servers that are given; its processes end with it."""
    environment = with_topics(addresses).environment()
    done = pytested(written(PAGE, tmp_path), "test_live.py", **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    with psycopg.connect(addresses.postgres) as connection:
        rows = connection.execute("SELECT card, amount FROM tools_till.receipt").fetchall()
    assert rows == [("ada", 5)]


@pytest.mark.timeout(300)
def test_servers_are_started_where_none_are_given(tmp_path: Path) -> None:
    """For the session of the user's tests, and gone behind it."""
    libraries = {name: os.environ[name] for name in ("MOTET_KAFKA_LIBS",) if name in os.environ}
    done = pytested(written(PAGE, tmp_path), "test_live.py", TMPDIR=str(tmp_path), **libraries)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(tmp_path.glob("motet-testing-*"))


def test_some_addresses_are_none(tmp_path: Path) -> None:
    """A test would run on a mixture that nobody meant."""
    (tmp_path / "test_it.py").write_text("def test_it(motet_addresses):\n    pass\n")
    done = pytested(tmp_path, "test_it.py", MOTET_POSTGRES_URL="postgresql://theirs")
    assert done.returncode == 1
    assert "MOTET_KAFKA_BOOTSTRAP, MOTET_SCHEMA_REGISTRY_URL not set" in done.stdout


def test_the_plugin_is_light(tmp_path: Path) -> None:
    """It is loaded in every run of pytest: it brings nothing of Motet but itself."""
    (tmp_path / "test_it.py").write_text(
        "import sys\n\n\ndef test_it():\n"
        "    loaded = [name for name in sys.modules if name.startswith('motet.')]\n"
        "    assert sorted(loaded) == ['motet.testing', 'motet.testing.plugin']\n"
        "    assert not {'confluent_kafka', 'psycopg', 'pydantic'} & set(sys.modules)\n"
    )
    done = pytested(tmp_path, "test_it.py", "-p", "no:hypothesispytest", "-p", "no:anyio", "-p", "no:langsmith_plugin")
    assert done.returncode == 0, done.stdout


class Written(Ledger):
    """The stage's own words, in a real table."""

    def __init__(self, real: psycopg.Connection[Any]) -> None:
        super().__init__()
        self.real = real

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """PostgreSQL's."""
        with self.real.transaction():
            yield

    def execute(self, row: str) -> None:
        """Writes a row."""
        self.real.execute("INSERT INTO row VALUES (%s)", (row,))


@pytest.mark.parametrize("what", ["crash_before", "crash_after", "times_out", "lost_answer"])
def test_a_savepoint_of_the_tests_own_connection(addresses: Addresses, what: What) -> None:
    """On a real PostgreSQL: a row of a call that succeeded, none of one that failed; and the test may take all of it back."""
    with psycopg.connect(addresses.postgres) as connection:
        connection.execute("CREATE TEMPORARY TABLE row (text text)")
        rehearsal = Rehearsal(
            tools, connection=Written(connection).connection, faults=[Fault("stage.enter", what=what)]
        )
        ended = rehearsal.run([Call("stage.enter", {"account": "a"}), Call("stage.refuse")])
        rows = connection.execute("SELECT count(*) FROM row").fetchone()
        failed = what == "lost_answer"
        assert (ended.results[0].status, rows) == (("FAILED", (0,)) if failed else ("SUCCEEDED", (1,)))
        connection.rollback()
        assert connection.execute("SELECT to_regclass('row')").fetchone() == (None,)
