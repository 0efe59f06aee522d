"""The commands that bring a platform up, show it, and run the main job on it, as a newcomer calls them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from guide import typed

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 240.0


def motet(home: Path, *arguments: str, code: int = 0, **more: str) -> str:
    """Runs a command in a directory of its own; returns standard output, and standard error where it fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MOTET_")}
    libraries = {name: value for name, value in os.environ.items() if name == "MOTET_KAFKA_LIBS"}
    done = subprocess.run(
        [sys.executable, "-m", "motet", *arguments],
        env={**environment, **libraries, "PYTHONPATH": str(ROOT / "services"), "COLUMNS": "150", **more},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == code, f"{arguments} exited with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout if code == 0 else done.stdout + done.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory in which `motet up` was called with the example's tools."""
    made = tmp_path_factory.mktemp("home")
    said = motet(made, "up", "--tools", str(ROOT / "examples" / "greeting_tools.py"))
    assert "Motet 0." in said
    assert "Kafka" in said
    assert "submit examples/plan.yaml --wait" in said
    yield made
    assert "stopped" in motet(made, "down")
    assert "nothing ran" in motet(made, "down")


@pytest.mark.timeout(300)
def test_a_small_demo_is_equal_and_everything_is_taken(home: Path) -> None:
    """`motet demo --json`, with kills, on the platform that is up: every equality holds, and lag is 0 afterwards."""
    result = json.loads(
        motet(home, "demo", "--json", "--seed", "5", "--scenarios", "12", "--transfers", "400", "--kills", "2")
    )
    assert result["scenarios"] == result["scenarios_equal"] == 12
    assert result["calls"] == result["calls_equal"] > 50
    assert result["transfers"] == result["transfers_equal"] == 400
    assert result["kills"] == 4
    assert result["balances_equal"] is True
    assert result["money_conserved"] is True
    assert result["equal"] is True
    assert result["seconds"] > 0
    status = json.loads(motet(home, "status", "--json"))
    assert status["lag"] == 0
    assert {one["state"] for one in status["processes"]} == {"ready"}
    assert {"kafka", "postgres", "registry", "coordinator", "projector", "tools-bank", "tools-greeting"} <= {
        one["name"] for one in status["processes"]
    }
    assert json.loads(motet(home, "rebuild", "--json"))["equal"]
    finds_nothing_wrong(home)


def finds_nothing_wrong(home: Path) -> None:
    """An audit after the demo and its kills, as `docs/audit.md` shows it, to people, to programs, and as a page."""
    for one in typed((ROOT / "docs" / "audit.md").read_text()):
        printed = motet(home, *one.command.split()[1:])
        assert one.says(printed), f"$ {one.command}\n{printed}\nthe page says:\n{one.output}"
    found = json.loads(motet(home, "audit", "--json", "--html", "audit.html"))
    assert found["violations"] == 0
    assert found["events"] > 1_000
    assert found["events_per_second"] > 0
    checked = {name for name, rule in found["rules"].items() if rule["checked"]}
    assert checked >= {"lanes", "causes", "one end", "results"}
    assert "Nothing is wrong." in (home / "audit.html").read_text()


@pytest.mark.timeout(300)
def test_plans_have_one_history_in_every_mode(home: Path) -> None:
    """`motet demo --modes --json`: orchestrated, hybrid, and choreographed while no coordinator runs; somebody is killed in each round."""
    result = json.loads(motet(home, "demo", "--modes", "--json", "--seed", "3", "--scenarios", "16", "--kills", "1"))
    rounds = {(one["mode"], one["versions"]): one for one in result["rounds"]}
    assert len(rounds) == 6
    for (mode, versions), one in rounds.items():
        assert one["coordinator"] is (mode != "choreographed")
        assert one["histories_equal"] == one["admitted"]
        assert one["admitted"] == (1 if (mode, versions) == ("choreographed", False) else one["plans"])
        assert one["calls_equal"] == one["calls"]
        assert one["scenarios_equal"] == one["scenarios"]
        assert len(one["killed"]) == 1
    assert result["equal"] is True


def test_up_again_changes_nothing(home: Path) -> None:
    """What runs stays, with its process ids."""
    before = {one["name"]: one["pid"] for one in json.loads(motet(home, "status", "--json"))["processes"]}
    motet(home, "up", "--json")
    after = {one["name"]: one["pid"] for one in json.loads(motet(home, "status", "--json"))["processes"]}
    assert before == after


def test_status_is_a_table_for_people(home: Path) -> None:
    """Processes with state, memory and lag, and the addresses."""
    said = motet(home, "status")
    assert "process" in said.splitlines()[0]
    assert "coordinator" in said
    assert "Schema registry" in said


def test_logs_are_json_lines(home: Path) -> None:
    """`motet logs SERVICE` shows what a service wrote; an unknown one is named with those there are."""
    lines = [json.loads(line) for line in motet(home, "logs", "coordinator", "-n", "5").splitlines()]
    assert {"service", "event", "level", "timestamp"} <= lines[-1].keys()
    assert "there are" in motet(home, "logs", "nobody", code=2)


def test_a_command_finds_the_platform_and_runs_a_plan(home: Path) -> None:
    """Without a single setting."""
    ended = json.loads(motet(home, "submit", str(ROOT / "examples" / "plan.yaml"), "--wait", "--json"))
    assert ended["status"] == "SUCCEEDED"


def test_without_a_platform_a_command_says_how_to_get_one(tmp_path: Path) -> None:
    """One line that names `motet up` and the settings."""
    for arguments in (("submit", str(ROOT / "examples" / "plan.yaml")), ("sql", "SELECT 1"), ("status",)):
        said = motet(tmp_path, *arguments, code=2)
        assert "motet up" in said
        assert "Traceback" not in said


def test_a_misspelt_setting_is_an_error(tmp_path: Path) -> None:
    """It is named, with those there are."""
    said = motet(tmp_path, "serve", "coordinator", code=2, MOTET_KAFKA_BOOTSTRAPP="x")
    assert "MOTET_KAFKA_BOOTSTRAPP" in said
    assert "MOTET_KAFKA_BOOTSTRAP," in said


def test_doctor_finds_what_is_there(tmp_path: Path) -> None:
    """Everything that the embedded platform needs is here."""
    assert all(one["ok"] for one in json.loads(motet(tmp_path, "doctor", "--json")))


def test_a_small_bench_gives_every_figure(tmp_path: Path) -> None:
    """`motet bench --json` on empty servers of its own, which are gone afterwards."""
    figures = json.loads(motet(tmp_path, "bench", "--json", "--scale", "0.02"))
    for name in (
        "saturated_calls_per_second",
        "in_flight_32_calls_per_second",
        "plan_p50_ms",
        "plan_p99_ms",
        "hop_records_per_second",
    ):
        assert figures[name] > 0, name
    assert {"coordinator", "projector", "tools-bench"} <= {one["name"] for one in figures["usage"]}
    assert not (tmp_path / ".motet" / "bench").exists()
