"""What tests take from Debian: the machine's own, else fetched by apt and unpacked under build/, without being installed."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx2
import redis

from motet.chassis.waiting import wait_until

BUILD: Final = Path(__file__).resolve().parents[1] / "build" / "debian"
PACKAGE_OF: Final = {"etcd": "etcd-server", "redis-server": "redis-server"}
SECONDS: Final = 30.0


class NotThere(Exception):
    """A package of Debian's is not installed and cannot be fetched."""


def program(name: str) -> tuple[str, dict[str, str]]:
    """A server's program and the environment that it needs. Raises NotThere."""
    found = shutil.which(name)
    if found is not None:
        return found, dict(os.environ)
    path = unpacked(PACKAGE_OF[name], f"usr/bin/{name}")
    libraries = [str(one) for one in (path.parents[1] / "lib").glob("*-linux-gnu*")]
    return str(path), {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(libraries)}


def unpacked(package: str, pattern: str) -> Path:
    """The file of a package that fits a pattern, fetched and unpacked once. Raises NotThere."""
    root = BUILD / "root"
    with (prepared(BUILD) / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = "" if any(root.glob(pattern)) else fetch(package, root)
    found = next(iter(sorted(root.glob(pattern))), None)
    if found is None:
        raise NotThere(f"this test needs Debian's package {package}: install it; apt could not fetch it: {said[-300:]}")
    return found


def prepared(directory: Path) -> Path:
    """A directory that is there."""
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def fetch(package: str, root: Path) -> str:
    """Fetches a package and what of its libraries this machine lacks, and unpacks them; what apt said last."""
    said = "apt-get or dpkg is not on the PATH"
    if shutil.which("apt-get") and shutil.which("dpkg"):
        # With the machine's own lists of packages, else with fresh ones of our own: neither needs root.
        for lists in ((), ("-o", f"Dir::State::lists={prepared(BUILD / 'lists' / 'partial').parent}")):
            if lists:
                apt(*lists, "update")
            done = apt(*lists, "--yes", "--no-install-recommends", "--download-only", "install", package)
            said = done.stderr.strip()
            if done.returncode == 0:
                break
        for archive in sorted((BUILD / "archives").glob("*.deb")):
            subprocess.run(["dpkg", "-x", str(archive), str(root)], check=True)
    return said


def apt(*arguments: str) -> subprocess.CompletedProcess[str]:
    """One apt-get, on archives of our own."""
    archives = prepared(BUILD / "archives" / "partial").parent
    options = ("-o", "Debug::NoLocking=1", "-o", f"Dir::Cache::archives={archives}")
    return subprocess.run(["apt-get", *options, *arguments], capture_output=True, text=True, check=False)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running(name: str, arguments: list[str], answers: Callable[[], bool]) -> Iterator[subprocess.Popen[bytes]]:
    """A server that answers, until the block ends."""
    path, environment = program(name)
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([path, *arguments], env=environment, stdout=log, stderr=log)
        try:
            wait_until(lambda: process.poll() is not None or answers(), SECONDS, f"{name} answers")
            log.seek(0)
            assert process.poll() is None, log.read().decode(errors="replace")[-2_000:]
            yield process
        finally:
            process.terminate()
            process.wait(SECONDS)


@contextmanager
def etcd(directory: Path) -> Iterator[str]:
    """An etcd of one member; its URL."""
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    arguments = ["--data-dir", str(directory), "--listen-client-urls", client, "--advertise-client-urls", client]
    arguments += [
        "--listen-peer-urls",
        peer,
        "--initial-advertise-peer-urls",
        peer,
        "--initial-cluster",
        f"default={peer}",
    ]

    def answers() -> bool:
        try:
            return bool(httpx2.get(f"{client}/health").json()["health"] == "true")
        except (httpx2.HTTPError, ValueError):
            return False

    with running("etcd", arguments, answers):
        yield client


@contextmanager
def redis_server(directory: Path) -> Iterator[str]:
    """A Redis server that writes every command to its file before it answers; its URL."""
    port = free_port()
    arguments = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(directory)]
    arguments += ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]

    def answers() -> bool:
        with redis.Redis(port=port) as client:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False

    with running("redis-server", arguments, answers):
        yield f"redis://127.0.0.1:{port}/0"
