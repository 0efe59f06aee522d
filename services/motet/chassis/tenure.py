"""A shard that a process owns, while it does."""

from __future__ import annotations

from dataclasses import dataclass

from motet.chassis.service import Handler
from motet.chassis.shard import Shard


@dataclass(slots=True)
class Tenure:
    """A shard that this process owns, and its handler."""

    shard: Shard
    handler: Handler
    cautious: int = 0
    paused: frozenset[str] = frozenset()
    covered_at: float = 0.0
    tidied_at: float = 0.0
    tidied_to: int = 0
    covered_to: int = 0
