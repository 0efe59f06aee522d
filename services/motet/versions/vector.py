"""Version vectors (Parker et al., "Detection of Mutual Inconsistency in Distributed Systems", 1983), pure.

A vector counts each region's writes of a record. One is before another if none of its counts is greater and some are less; if each has a
count that is greater, the writes did not know of each other. Their text is canonical: `eu=2,us=1`, by name, without zeros.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Order = Literal["BEFORE", "AFTER", "EQUAL", "CONCURRENT"]
REGION: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
ENTRY: Final = re.compile(rf"({REGION.pattern})=([1-9][0-9]{{0,15}})")
# A vector grows with every region that ever wrote the record, and never shrinks.
REGIONS: Final = 16


class BadVector(ValueError):
    """A text or a region is none of a version vector, or it has too many regions."""


@dataclass(frozen=True, slots=True)
class Vector:
    """Counts above 0, sorted by region."""

    counts: tuple[tuple[str, int], ...] = ()

    @staticmethod
    def of(counts: Mapping[str, int]) -> Vector:
        """A vector of counts. Raises BadVector."""
        if len(counts) > REGIONS:
            raise BadVector(f"{len(counts)} regions; the limit is {REGIONS}")
        for region in counts:
            if not REGION.fullmatch(region):
                raise BadVector(
                    f"region {region[:50]!r}: a lower-case letter, then letters, digits and dashes, 32 at most"
                )
        return Vector(tuple(sorted((region, count) for region, count in counts.items() if count)))

    @staticmethod
    def parse(text: str) -> Vector:
        """The vector of a text. Raises BadVector for what is not the one text of a vector."""
        entries = [ENTRY.fullmatch(one) for one in text.split(",")] if text else []
        found = Vector.of({one[1]: int(one[2]) for one in entries if one is not None})
        if found.text != text:
            raise BadVector(
                f"{text[:100]!r} is no version vector such as eu=2,us=1: sorted, each region once, counts from 1"
            )
        return found

    @property
    def text(self) -> str:
        """The canonical text; empty for a record that nobody wrote."""
        return ",".join(f"{region}={count}" for region, count in self.counts)

    def bump(self, region: str) -> Vector:
        """One more write of a region. Raises BadVector."""
        counts = dict(self.counts)
        return Vector.of({**counts, region: counts.get(region, 0) + 1})

    def merge(self, other: Vector) -> Vector:
        """The least vector that is not before either. Raises BadVector for more regions than a vector has."""
        mine, theirs = dict(self.counts), dict(other.counts)
        return Vector.of({region: max(mine.get(region, 0), theirs.get(region, 0)) for region in mine | theirs})

    def compare(self, other: Vector) -> Order:
        """How this one stands to another."""
        mine, theirs = dict(self.counts), dict(other.counts)
        less = any(count > mine.get(region, 0) for region, count in theirs.items())
        more = any(count > theirs.get(region, 0) for region, count in mine.items())
        if less and more:
            return "CONCURRENT"
        return "BEFORE" if less else "AFTER" if more else "EQUAL"
