"""What an onlooker knows of a plan."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from motet.records import CommittedCall


@dataclass
class Watch:
    """What is known of a plan from its steps and inputs alone."""

    barrier: bool = False
    ended: bool = False
    committed: dict[int, CommittedCall] = field(default_factory=dict)
    # Calls that were begun; calls of which nobody knows; those that may not run again, because they may have happened.
    begun: set[int] = field(default_factory=set)
    doubtful: set[int] = field(default_factory=set)
    unrepeatable: set[int] = field(default_factory=set)
    runs: Counter[int] = field(default_factory=Counter)
    undone: set[int] = field(default_factory=set)
    undoing: list[int] = field(default_factory=list)
