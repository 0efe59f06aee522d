"""Records that the live tables are without, because they are dead letters of the projector: a rebuild leaves them out as well."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from motet.records import DeadLetter, DeadLetterRepaired


@dataclass(slots=True)
class Letters:
    """What became of one service's dead letters, from `motet.dead-letters` as it was read."""

    service: str
    open: dict[str, DeadLetter] = field(default_factory=dict)
    discarded: set[tuple[str, int, int]] = field(default_factory=set)

    def take(self, records: Iterable[Any]) -> None:
        """Records of the topic, in each partition in order; a letter and what becomes of it are on one lane."""
        for record in records:
            if isinstance(record, DeadLetter) and record.service == self.service:
                self.open[record.meta.event_id] = record
            elif isinstance(record, DeadLetterRepaired) and record.outcome in ("REDRIVEN", "DISCARDED"):
                letter = self.open.pop(record.dead_letter_id, None)
                if letter is not None and record.outcome == "DISCARDED":
                    self.discarded.add(place(letter))

    def waiting(self) -> dict[tuple[str, int, int], bool]:
        """The places of letters that nobody repaired yet, and whether later records of their key wait behind them."""
        return {place(letter): letter.parked for letter in self.open.values()}


def place(letter: DeadLetter) -> tuple[str, int, int]:
    """Where its record stands."""
    return letter.topic, letter.partition, letter.offset
