"""Puts the peers under build/peers, at pinned versions: a Python environment atop of the project's own, npm's server, Go's program, Debian's Redis.

Each is an optional download of this benchmark alone, and is there once: what is installed stays until its version here changes. What cannot
be installed is told with the reason, and the others go on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import debian
from benchmarks.peers.peer import PeerFailed
from benchmarks.peers.places import GO, NPM, PEERS, PYTHON, VENV

# By peer. What they need further comes with them; what the project has too is the project's own.
PACKAGES: Final[Mapping[str, Sequence[str]]] = {
    "psycopg": ("psycopg-pool==3.3.3",),
    "dbos": ("dbos==3.4.0",),
    "celery": ("celery==5.7.0", "kombu==5.7.0"),
    "restate": ("restate-sdk==1.3.0", "hypercorn==0.18.0"),
    "temporal": ("temporalio==1.35.0",),
    "langgraph": ("langgraph==1.2.24", "langgraph-checkpoint-postgres==3.2.0"),
}
# Motet's own tool that waits, and all who write with psycopg, take the pool.
ALL_NEED: Final = "psycopg"
RESTATE_SERVER: Final = "@restatedev/restate-server@1.7.12"
TEMPORAL: Final = "github.com/temporalio/cli/cmd/temporal@v1.5.1"
LAST_CHARACTERS: Final = 400


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    """Runs a client of a registry. Raises PeerFailed with what it said last."""
    if shutil.which(command[0]) is None:
        raise PeerFailed(f"{Path(command[0]).name} is not on the PATH")
    whole = {**os.environ, **(environment or {})}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=whole)
    if done.returncode:
        raise PeerFailed(f"{Path(command[0]).name} failed: {(done.stdout + done.stderr).strip()[-LAST_CHARACTERS:]}")


def once(stamp: Path, content: str, make: Callable[[], None]) -> None:
    """Does a step unless it was done with the same content."""
    if stamp.exists() and stamp.read_text() == content:
        return
    sys.stderr.write(f"install: {content}\n")
    stamp.parent.mkdir(parents=True, exist_ok=True)
    make()
    stamp.write_text(content)


def make_venv() -> None:
    """An environment atop of the one that runs this: its packages are found there too, and come second."""
    run([sys.executable, "-m", "venv", "--clear", str(VENV)])
    paths = {name: sysconfig.get_path("purelib", vars={"base": str(base)}) for name, base in bases().items()}
    Path(paths["own"], "motet-below.pth").write_text(f"import site; site.addsitedir({paths['below']!r})\n")


def bases() -> dict[str, Path]:
    """Where the two environments are."""
    return {"own": VENV, "below": Path(sys.prefix)}


def packages(names: Sequence[str]) -> None:
    """Installs Python packages."""
    run([str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-input", *names])


def restate_server() -> None:
    """The package of npm has the server's program in it; its scripts are not run."""
    NPM.mkdir(parents=True, exist_ok=True)
    run(["npm", "install", "--prefix", str(NPM), "--no-audit", "--no-fund", "--ignore-scripts", RESTATE_SERVER])


def temporal_server() -> None:
    """Built from source; Go's own toolchain is the machine's."""
    GO.mkdir(parents=True, exist_ok=True)
    run(["go", "install", TEMPORAL], {"GOBIN": str(GO), "GOTOOLCHAIN": "local"})


def redis_server() -> None:
    """The machine's own, or Debian's package, unpacked. Raises PeerFailed."""
    try:
        debian.program("redis-server")
    except debian.NotThere as error:
        raise PeerFailed(str(error)) from error


def install(peers: Sequence[str]) -> dict[str, str]:
    """Installs what these peers need; the reason for each that cannot be."""
    # Stamps of packages lie inside of what they are in: an environment that is made anew has none.
    once(PEERS / "stamps" / "venv", f"a Python environment atop of {sys.version.split()[0]}", make_venv)
    steps: dict[str, list[tuple[str, Callable[[], None]]]] = {
        "celery": [("Debian's redis-server", redis_server)],
        "restate": [(RESTATE_SERVER, restate_server)],
        "temporal": [(TEMPORAL, temporal_server)],
    }
    failed: dict[str, str] = {}
    wanted = [ALL_NEED, *(peer for peer in peers if peer != ALL_NEED)]
    for peer in wanted:
        needed = PACKAGES.get(peer.partition("-")[0], ())
        try:
            if needed:
                once(VENV / "stamps" / peer.partition("-")[0], " ".join(needed), partial(packages, needed))
            for content, make in steps.get(peer, ()):
                once(PEERS / "stamps" / f"{peer}-server", content, make)
        except PeerFailed as error:
            failed[peer] = str(error)
    return failed
