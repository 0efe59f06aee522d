"""Where the optional downloads are, under build/peers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from benchmarks.peers.peer import PeerFailed

ROOT: Final = Path(__file__).resolve().parents[3]
PEERS: Final = ROOT / "build" / "peers"
VENV: Final = PEERS / "venv"
PYTHON: Final = VENV / "bin" / "python"
NPM: Final = PEERS / "npm"
GO: Final = PEERS / "go"


def program(directory: Path, pattern: str) -> str:
    """A downloaded program. Raises PeerFailed."""
    found = next(iter(sorted(directory.glob(pattern))), None)
    if found is None:
        raise PeerFailed(f"{pattern} is not under {directory.relative_to(ROOT)}: it could not be installed")
    return str(found)


def npm_version(package: str) -> str:
    """The version of an installed npm package."""
    found: str = json.loads((NPM / "node_modules" / package / "package.json").read_text())["version"]
    return found
