"""`motet chaos` as an engineer runs it who distrusts Motet: its quick profile, to its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import servers
from faketime import library
from motet.chaos.faults import FAULTS

SERVICES = Path(__file__).resolve().parents[2] / "services"


def chaos(directory: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The command, on servers of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MOTET_")}
    environment |= {"MOTET_HOME": str(directory / ".motet"), "PYTHONPATH": str(SERVICES), **more}
    command = [sys.executable, "-m", "motet", "chaos", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=900)


@pytest.mark.timeout(900)
def test_the_quick_profile_loses_nothing() -> None:
    """Every fault there is, each with plans under way; the judge finds nothing, and everything comes to rest."""
    with servers.open_directory() as directory:
        done = chaos(directory, "--profile", "quick", "--seed", "1", "--json", LIBFAKETIME=str(library()))
        found: dict[str, Any] = json.loads(done.stdout or "{}")
        told = "\n".join((done.stderr, *(f"{one['faults']}: {one}" for one in found.get("by_run", ()))))
        assert done.returncode == 0, told
        assert (found["violations"], found["unknown"]) == (0, 0)
        assert {one["faults"] for one in found["by_run"]} == set(FAULTS) - set(found["left_out"])
        assert set(found["left_out"]) <= {"full-disk"}, "only mounting may be what this machine does not allow"
        assert found["runs"] == len(found["by_run"])
        assert found["faults"] >= found["runs"] - 1
        assert found["commands_seen"]["ok"] >= 10 * found["runs"]
        # Nothing stays behind, neither files nor what was mounted.
        assert not (directory / ".motet" / "chaos").exists()


def test_what_is_asked_for_wrongly_is_one_line(tmp_path: Path) -> None:
    """A fault and a profile that do not exist, and servers that are somebody's."""
    for arguments, more, said in (
        (("--fault", "flood"), {}, "there is no fault 'flood': `motet chaos --list` has them"),
        (("--profile", "weekend"), {}, "--profile is 'weekend': it is quick, night, release"),
        (
            (),
            {"MOTET_KAFKA_BOOTSTRAP": "127.0.0.1:1"},
            "MOTET_KAFKA_BOOTSTRAP: chaos breaks servers, so it starts its own",
        ),
    ):
        done = chaos(tmp_path, *arguments, **more)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
        assert "Traceback" not in done.stderr


def test_every_fault_is_listed(tmp_path: Path) -> None:
    """By its name, with what it does."""
    listed = chaos(tmp_path, "--list").stdout
    assert all(f"{one.name} " in listed and one.about in listed for one in FAULTS.values())
