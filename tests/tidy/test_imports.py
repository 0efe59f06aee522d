"""The import rules hold, and each of them goes red."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent.parent.parent
CONTRACTS: Final = [
    contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
]
PURE, CONFORMANCE, ADAPTERS, APART, CHASSIS, TOUCH, AUDITOR, SIMULATOR, OFFLINE = (
    "Pure modules import no I/O",
    "Conformance knows no service",
    "Adapters are the client's, and know no service",
    "Services never import each other",
    "The chassis knows no service",
    "Only the chassis and the client touch Kafka and Avro",
    "The auditor trusts no decider and no service",
    "The simulator does no I/O and knows no service",
    "A bundle is checked without any server",
)
VIOLATIONS: Final = [
    (PURE, "plan/graph.py", "import socket"),
    (PURE, "plan/limits.py", "import random"),
    (PURE, "resources/queues.py", "import time"),
    (PURE, "records/__init__.py", "import psycopg"),
    (PURE, "catalog/location.py", "import subprocess"),
    (PURE, "projector/fold.py", "import sqlalchemy"),
    (PURE, "leases/book.py", "import time"),
    (PURE, "proofs/merkle.py", "import time"),
    (PURE, "plan/text.py", "from motet.chassis.database import connect"),
    (CONFORMANCE, "conformance/rerun.py", "import motet.coordinator"),
    (CONFORMANCE, "conformance/frontier.py", "from motet.tools import intents"),
    (ADAPTERS, "adapters/turn.py", "import confluent_kafka"),
    (ADAPTERS, "adapters/langgraph.py", "from motet.coordinator import declaration"),
    (APART, "coordinator/declaration.py", "import motet.tools.host"),
    (APART, "agents/declaration.py", "from motet import coordinator"),
    (APART, "projector/writer.py", "from motet.coordinator import declaration"),
    (APART, "leases/handler.py", "import motet.tools.held"),
    (APART, "checkpoints/signing.py", "import motet.leases.book"),
    (APART, "tools/claims.py", "import motet.projector"),
    (CHASSIS, "chassis/clock.py", "import motet.plan"),
    (CHASSIS, "chassis/lanes.py", "from motet.client import Client"),
    (TOUCH, "hosting/commands.py", "import confluent_kafka"),
    (TOUCH, "tools/results.py", "import fastavro"),
    (TOUCH, "leases/tables.py", "import confluent_kafka"),
    (TOUCH, "audit/reading.py", "import confluent_kafka"),
    (TOUCH, "conformance/reading.py", "import confluent_kafka"),
    (PURE, "audit/auditor.py", "import psycopg"),
    (AUDITOR, "audit/history.py", "from motet.plan import Plan"),
    (AUDITOR, "audit/reading.py", "import motet.tools.answers"),
    (OFFLINE, "evidence/report.py", "import motet.chassis.registry"),
    (SIMULATOR, "simulation/world.py", "import time"),
    (SIMULATOR, "simulation/host.py", "from motet.tools import host"),
]


def lint(folder: Path) -> tuple[int, str]:
    """What import-linter says of the package in a folder: exit code and output."""
    program = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    done = subprocess.run(
        [sys.executable, "-c", program, "--no-cache", "--config", str(ROOT / "pyproject.toml")],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "", "COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package in a folder of its own, where a violation harms nobody."""
    folder = tmp_path_factory.mktemp("imports")
    shutil.copytree(ROOT / "services" / "motet", folder / "motet", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_the_project_keeps_its_import_rules() -> None:
    """All contracts, on the real tree."""
    code, said = lint(ROOT / "services")
    assert code == 0, said
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in said


def test_every_contract_is_seen_red() -> None:
    """A new contract needs a violation below."""
    assert {contract for contract, _, _ in VIOLATIONS} == set(CONTRACTS)


@pytest.mark.parametrize(("contract", "file", "line"), VIOLATIONS)
def test_a_violation_is_seen(copy: Path, contract: str, file: str, line: str) -> None:
    """One import too many breaks the contract that forbids it, by name."""
    path = copy / "motet" / file
    before = path.read_text()
    path.write_text(f"{before}\n{line}\n")
    try:
        code, said = lint(copy)
    finally:
        path.write_text(before)
    assert code == 1, said
    assert f"{contract} BROKEN" in said
