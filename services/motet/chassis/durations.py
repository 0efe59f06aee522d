"""Durations as people write them: 90s, 15m, 2h, 3d."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

WRITTEN: Final = re.compile(r"([1-9][0-9]{0,5})([smhd])")
UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration_of(text: str) -> timedelta | None:
    """A duration; None for a text that is none."""
    found = WRITTEN.fullmatch(text)
    return None if found is None else timedelta(**{UNITS[found[2]]: int(found[1])})
