"""What calls cost, in the tenant's currency: decimal for authors, exact in millionths inside."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

Cost = float | str | Decimal

MICROS: Final = 1_000_000
# The most that every reader of JSON has as an exact integer.
MAXIMUM_MICROS: Final = 2**53


def micros_of(cost: Cost) -> Decimal:
    """A cost in millionths, exactly what its digits say: 0.1 is a tenth. Raises ValueError."""
    try:
        micros = Decimal(str(cost)) * MICROS
    except InvalidOperation:
        micros = Decimal("NaN")
    if not micros.is_finite() or not 0 <= micros <= MAXIMUM_MICROS:
        raise ValueError(f"cost {cost!r} is not a number from 0 to {MAXIMUM_MICROS / MICROS:.0f}")
    return micros
