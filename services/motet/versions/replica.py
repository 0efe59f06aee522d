"""One region's copy of a record, pure: the writes of it that no other write knew of, one or several.

A copy is a set of siblings, none of which is before another. Two copies are joined by keeping what is not before anything: that does not
depend on the order in which updates come, on repeats, or on who joins what first (a join semilattice; Shapiro et al., "Conflict-free
Replicated Data Types", 2011). A region's own write follows on everything that it has, and so takes the place of all siblings.

What concurrent siblings mean together, a merge function says: it is asked about all of them, in one order, whenever the record is read, and
so it need be nothing but a function. Without one they are a conflict, and both are kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Literal

from motet.versions.vector import BadVector, Vector

# What an update is to a copy: it replaces something, it is known or replaced already, or neither knew of the other.
Arrival = Literal["NEWER", "OLDER", "REPEATED", "CONCURRENT"]


@dataclass(frozen=True, slots=True)
class Sibling:
    """A write: what it wrote, as canonical JSON, where, and everything that it knew of, itself included."""

    vector: Vector
    region: str
    value: str

    @staticmethod
    def received(vector: str, region: str, value: str) -> Sibling:
        """A write as another region says it. Raises BadVector."""
        counts = Vector.parse(vector)
        if region not in dict(counts.counts):
            raise BadVector(f"region {region[:50]!r} wrote nothing in {vector[:100]!r}")
        return Sibling(counts, region, value)

    @property
    def place(self) -> tuple[str, str, str]:
        """Its place among siblings."""
        return (self.vector.text, self.region, self.value)

    def follows(self, other: Sibling) -> bool:
        """Whether it knew of another write, and so takes its place."""
        return self.vector.compare(other.vector) == "AFTER"


@dataclass(frozen=True, slots=True)
class Replica:
    """A copy; without siblings, a record that nobody wrote. Two writes under one vector, which a restored backup brings about, are kept both."""

    siblings: tuple[Sibling, ...] = ()

    @staticmethod
    def of(siblings: Iterable[Sibling]) -> Replica:
        """The copy that has heard of some writes."""
        every = {one.place: one for one in siblings}
        left = [one for one in every.values() if not any(other.follows(one) for other in every.values())]
        return Replica(tuple(sorted(left, key=lambda one: one.place)))

    @property
    def vector(self) -> Vector:
        """Everything that the copy knows of."""
        return reduce(Vector.merge, (one.vector for one in self.siblings), Vector())

    def join(self, other: Replica) -> Replica:
        """What two copies know together."""
        return Replica.of((*self.siblings, *other.siblings))

    def write(self, region: str, value: str) -> Replica:
        """A region writes. Raises BadVector."""
        return Replica((Sibling(self.vector.bump(region), region, value),))

    def arrival(self, update: Sibling) -> Arrival:
        """What an update is to this copy."""
        if update in self.siblings:
            return "REPEATED"
        if any(one.follows(update) for one in self.siblings):
            return "OLDER"
        return "NEWER" if all(update.follows(one) for one in self.siblings) else "CONCURRENT"
