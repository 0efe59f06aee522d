"""A command starts quickly: what only services need is loaded by services alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

SERVICES: Final = Path(__file__).resolve().parents[2] / "services"

# The migrations of a service, the registry's client with its sign-in, the projector's tables: half a second before the first line.
HEAVY: Final = {
    "sqlalchemy",
    "alembic",
    "confluent_kafka.schema_registry",
    "motet.chassis.loop",
    "motet.projector.surface",
}


def test_commands_load_what_they_need() -> None:
    """The command line as such loads no server's parts."""
    program = f"import json, sys, motet.cli; print(json.dumps(sorted({HEAVY!r} & sys.modules.keys())))"
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(SERVICES)}, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []
