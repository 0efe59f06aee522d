"""`motet chaos --profile quick` to its end, on real servers and services: five minutes."""

from __future__ import annotations

import json
from typing import Any

import pytest

import servers
from chaos_command import chaos
from faketime import library
from motet.chaos.faults import FAULTS


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
