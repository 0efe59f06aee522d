"""How often the functions of calls ran to their ends: what a test asserts on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Effects(Mapping[str, int]):
    """By the calls' keys, how often their function ran to its end; runs that a transaction took back do not count.

    `by_call` is the same by the calls' names, summed over all plans.
    """

    tool: str
    by_key: Mapping[str, int] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, key: str) -> int:
        return self.by_key[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_key)

    def __len__(self) -> int:
        return len(self.by_key)

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_key.values())

    @property
    def by_call(self) -> dict[str, int]:
        """By the names that plans give their calls."""
        found = Counter[str]()
        for key, times in self.by_key.items():
            found[self.names[key]] += times
        return dict(sorted(found.items()))

    @property
    def repeated(self) -> dict[str, int]:
        """The calls, by key, whose function ran to its end more than once: an idempotent tool must have had its effect once all the same."""
        return {key: times for key, times in self.by_key.items() if times > 1}

    def __repr__(self) -> str:
        told = ", ".join(f"{self.names[key]} ({key[:8]}…) {times}x" for key, times in self.by_key.items())
        return f"<effects of {self.tool}: {told or 'none'}>"
