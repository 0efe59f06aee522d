"""What a topic is for, as the audit needs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Topics whose key is no domain. Everywhere else it is `tenant/domain`, and decides the partition.
UNKEYED: Final = frozenset(
    {"motet.contracts", "motet.repairs", "motet.merges", "motet.dead-letters", "motet.checkpoints"}
)
# Records of one millisecond are taken in this order: what causes before what follows from it.
ORDER: Final = (
    *("motet.contracts", "motet.commands", "motet.lease-commands"),
    *("motet.requests", "motet.grants", "motet.results", "motet.results.agents", "motet.timers", "motet.lease-timers"),
    "motet.agent-timers",
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A topic's entry in `schemas/topics.yaml`."""

    door: bool
    records: frozenset[str]
    keyed: bool
    rank: int


def kept(topic: str, *, door: bool, records: frozenset[str]) -> Kept:
    """A topic's entry, with what follows from its name."""
    rank = ORDER.index(topic) if topic in ORDER else 0 if door else len(ORDER)
    return Kept(door, records, topic not in UNKEYED, rank)
