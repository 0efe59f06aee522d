"""The outside witness of "exactly once": a real HTTP service in a process of its own, with a log that only it writes.

What it does is told in `witness_server`; who asks addresses it by `witness.url` and reads what happened from its log.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from motet.chaos import witness_server
from motet.chassis.errors import MotetError
from motet.chassis.waiting import wait_until

STOP_SECONDS = 10.0
AWAIT_SECONDS = 30.0


class WitnessFailed(MotetError):
    """The witness did not start."""


@dataclass
class Witness:
    """A running witness."""

    directory: Path
    port: int
    child: subprocess.Popen[str]

    @classmethod
    def start(cls, directory: Path, port: int = 0) -> Self:
        """Starts one that knows what its predecessor in that directory did; on a free port unless one is given.

        It ends with its parent, however that ends: then its standard input does.
        """
        child = subprocess.Popen(
            [sys.executable, witness_server.__file__, str(directory), str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        said = _pipe(child.stdout).readline()
        started = cls(directory, int(said or 0), child)
        if not said:
            started.stop()
            raise WitnessFailed(f"the witness ended with {child.returncode}: its reason is above")
        return started

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def effects(self, key: str | None = None) -> list[dict[str, Any]]:
        """The effects that were applied, in order: `key`, `path`, `body`, `answer`; of one key, or all."""
        return [line for line in self.lines("effect") if key is None or line["key"] == key]

    def requests(self, key: str | None = None) -> list[dict[str, Any]]:
        """The requests that arrived, in order: `method`, `path`, `query`, `key`, `headers`, `body`; of one key, or all."""
        return [line for line in self.lines("request") if key is None or line["key"] == key]

    def await_effects(self, count: int, key: str | None = None) -> list[dict[str, Any]]:
        """Waits until so many effects were applied."""
        wait_until(lambda: len(self.effects(key)) >= count, AWAIT_SECONDS, f"{count} effects of {key or 'any key'}")
        return self.effects(key)

    def await_requests(self, count: int, key: str | None = None) -> list[dict[str, Any]]:
        """Waits until so many requests arrived."""
        wait_until(lambda: len(self.requests(key)) >= count, AWAIT_SECONDS, f"{count} requests of {key or 'any key'}")
        return self.requests(key)

    def lines(self, kind: str) -> list[dict[str, Any]]:
        """The log's lines of a kind; what is being written does not count yet."""
        path = self.directory / witness_server.LOG
        whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
        return [line for line in map(json.loads, whole.splitlines()) if line["kind"] == kind]

    def behave(self, query: str = "") -> None:
        """What holds for every later request that does not say otherwise, such as "delay=5"; nothing, for as usual."""
        with urllib.request.urlopen(f"{self.url}/behave?{query}", timeout=AWAIT_SECONDS) as answer:  # noqa: S310  it is our own
            answer.read()

    def stop(self) -> None:
        """Ends it; its log stays. Requests that wait are broken off."""
        if self.child.poll() is None:
            _pipe(self.child.stdin).close()
            self.child.wait(STOP_SECONDS)
        _pipe(self.child.stdin).close()
        _pipe(self.child.stdout).close()

    def kill(self) -> None:
        """SIGKILL."""
        self.child.kill()
        self.child.wait()
        self.stop()


def _pipe(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise WitnessFailed("the witness has no pipe to its parent")
    return stream
