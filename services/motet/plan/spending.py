"""What calls cost, pure: reserved before a call starts, settled when it ended, so that no fan-out passes a limit.

Amounts are tuples in the order of `DIMENSIONS`, in whole units: calls, millionths of a currency, tokens, milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from motet.records import Amounts

DIMENSIONS: Final = ("calls", "cost_micros", "tokens", "milliseconds")
Vector = tuple[int, int, int, int]
Limit = tuple[int | None, int | None, int | None, int | None]
NOTHING: Final[Vector] = (0, 0, 0, 0)
Member = tuple[str, int]


def added(one: Vector, other: Vector) -> Vector:
    """The sum."""
    return (one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3])


def less(one: Vector, other: Vector) -> Vector:
    """The difference."""
    return (one[0] - other[0], one[1] - other[1], one[2] - other[2], one[3] - other[3])


def limit_of(amounts: Amounts) -> Limit:
    """The limits of a record."""
    return (amounts.calls, amounts.cost_micros, amounts.tokens, amounts.milliseconds)


def record_of(amounts: Limit | Vector) -> Amounts:
    """As a record."""
    return Amounts(*amounts)


@dataclass(slots=True)
class Ledger:
    """A budget: its limits, what is reserved for calls that run, what was spent by calls that ended.

    Nothing waits for a call that waits itself: reservations belong to calls that run, and those end.
    """

    limits: Limit
    reserved: Vector = NOTHING
    spent: Vector = NOTHING
    # Calls that fit once others have been settled, in order of asking.
    waiting: list[Member] = field(default_factory=list)

    def beyond(self, wanted: Vector, *, counting_reserved: bool) -> int | None:
        """The first dimension in which a further call passes the limit, or None."""
        have = added(self.spent, self.reserved) if counting_reserved else self.spent
        for place, limit in enumerate(self.limits):
            # A call that needs nothing of a dimension never fails for it.
            if limit is not None and wanted[place] and have[place] + wanted[place] > limit:
                return place
        return None

    def reserve(self, wanted: Vector) -> None:
        """Sets an amount aside."""
        self.reserved = added(self.reserved, wanted)

    def settle(self, reserved: Vector, spent: Vector) -> None:
        """Gives back what was set aside, and counts what it was."""
        self.reserved = less(self.reserved, reserved)
        self.spent = added(self.spent, spent)

    def said(self, place: int, wanted: Vector) -> str:
        """Why a call does not fit, with the values."""
        return (
            f"the limit is {self.limits[place]} {DIMENSIONS[place]}; {self.spent[place]} are spent, {self.reserved[place]} reserved, "
            f"and the call needs {wanted[place]}"
        )
