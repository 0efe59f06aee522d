"""`motet chaos` in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SERVICES = Path(__file__).resolve().parents[1] / "services"


def chaos(directory: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The command, on servers of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MOTET_")}
    environment |= {"MOTET_HOME": str(directory / ".motet"), "PYTHONPATH": str(SERVICES), **more}
    command = [sys.executable, "-m", "motet", "chaos", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=900)
