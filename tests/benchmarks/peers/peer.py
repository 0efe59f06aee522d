"""What the benchmark asks of each system: start, run a plan, lose a worker, stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.peers.work import Plan


class PeerFailed(Exception):
    """A system does not start, or does not answer; the message says what it said last."""


@dataclass(frozen=True, slots=True)
class About:
    """What a reader of the report must know of a system.

    `api` is how it runs the plan, `effects` what it promises of a call's effect when a worker dies, `settings` what differs from its
    defaults and why, `saturated_at` the plans in flight with which it is fastest here (found by trying), `packages` whose versions count.
    """

    title: str
    api: str
    effects: str
    saturated_at: int
    packages: Sequence[str] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    # Without a worker of its own there is none to kill.
    has_worker: bool = True


class Peer(Protocol):
    """One system, started afresh on empty servers of its own."""

    about: About
    # Where its rows are: a database, and the schema with the table `work`.
    url: str
    schema: str

    async def start(self, directory: Path) -> None:
        """Starts everything and waits until it answers; `directory` is empty and its own. Raises PeerFailed."""

    async def run(self, plan: Plan) -> Sequence[str | None]:
        """Runs a plan to its end: the results in call order. Any exception is a plan without results."""

    async def kill_worker(self) -> None:
        """Kills what runs the tools with SIGKILL, and starts it again at once."""

    async def stop(self) -> None:
        """Stops everything."""

    def versions(self) -> Mapping[str, str]:
        """Versions that no Python package tells."""
