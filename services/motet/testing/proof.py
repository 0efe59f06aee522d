"""What `motet prove` needs to know of a tool: an example call, and how to see from outside how often it happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Proof:
    """One tool's example. Put `proofs = [Proof(...), ...]` into the module of your tools.

    `arguments` are those of the call, or a function from the number of the run (from 1) to them, for a tool that refuses to do the same thing
    twice. `effects` counts in the outside world how often calls with such arguments happened: it may count former runs too, for only what
    a run adds is compared. A transactional tool needs none if it adds rows to tables of the toolset's `schema`.
    """

    tool: str
    arguments: Arguments | Callable[[int], Arguments] = field(default_factory=dict)
    effects: Callable[[Arguments], int] | None = None
    version: int | None = None

    def arguments_of(self, run: int) -> dict[str, Any]:
        """The arguments of a run."""
        return dict(self.arguments(run) if callable(self.arguments) else self.arguments)
