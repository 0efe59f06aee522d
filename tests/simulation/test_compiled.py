"""The deciders compiled (deploy/compiling.py) decide as the source does, and as they did when recorded histories were made."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import servers

ROOT: Final = Path(__file__).resolve().parents[2]
COMPILING: Final = ROOT / "deploy" / "compiling.py"
HISTORIES: Final = sorted((ROOT / "tests" / "golden").glob("*.avro"))
# The compiler is done soonest.
LEVEL: Final = {"MOTET_COMPILE_LEVEL": "0"}

pytestmark = pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="there is no C compiler")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A compiled copy of the package."""
    return made(tmp_path_factory.mktemp("compiled"))[0]


def made(base: Path) -> tuple[Path, str]:
    """Where it is, and what was said."""
    command = [sys.executable, str(COMPILING), str(base)]
    done = subprocess.run(command, env=os.environ | LEVEL, check=True, timeout=280, capture_output=True, text=True)
    return Path(done.stdout.strip()), done.stderr


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """PostgreSQL alone, for rows."""
    with servers.open_directory() as directory, servers.postgres_alone(directory) as url:
        yield url


def motet(code: Path, *arguments: str, **more: str) -> Any:
    """A command's JSON, run from a copy of the package."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MOTET_")}
    environment |= {"PYTHONPATH": str(code), **more}
    command = [sys.executable, "-m", "motet", *arguments, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_worlds_are_the_same_compiled_and_interpreted(compiled: Path) -> None:
    """Each step of each run follows from what was decided before it: the same steps, deliveries and repeats are the same decisions."""
    arguments = ("simulate", "--seed", "0", "--runs", "128")
    one, other = motet(compiled, *arguments), motet(ROOT / "services", *arguments)
    assert (one.pop("compiled"), other.pop("compiled")) == (True, False)
    for found in (one, other):
        for name in ("seconds", "processor_seconds", "runs_per_second_per_core"):
            del found[name]
    assert one == other
    assert one["violations"] == 0


@pytest.mark.parametrize("service", ["coordinator", "agents"])
@pytest.mark.parametrize("file", HISTORIES, ids=lambda file: file.stem)
def test_recorded_histories_are_decided_alike_by_compiled_code(
    compiled: Path, postgres: str, file: Path, service: str
) -> None:
    """The golden corpus, byte for byte."""
    addresses = {
        "MOTET_POSTGRES_URL": postgres,
        "MOTET_KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "MOTET_SCHEMA_REGISTRY_URL": "http://127.0.0.1:1",
    }
    found = motet(compiled, "replay", service, "--history", str(file), **addresses)
    assert found["shards"]
    assert all(shard["equal"] for shard in found["shards"])
    assert sum(shard["records"] for shard in found["shards"]) > 100


def test_a_copy_is_made_again_only_when_something_changed(compiled: Path) -> None:
    """Its name is the digest of what was compiled; who asks a second time waits for nothing, and nothing is left in between."""
    assert made(compiled.parent) == (compiled, "")
    assert [one.name for one in compiled.parent.iterdir()] == [compiled.name]


def test_without_a_compiler_nothing_is_made_and_it_says_so(tmp_path: Path) -> None:
    """Everything runs interpreted then."""
    command = [sys.executable, str(COMPILING), str(tmp_path / "base")]
    environment = os.environ | LEVEL | {"PATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert "no C compiler" in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "base").exists()
