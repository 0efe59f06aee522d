"""`Retry-After` (RFC 9110, 10.2.3): how long a server asks to be left alone."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from motet.tools.failure import MAXIMUM_DELAY_SECONDS


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a response asks for, 0 to 86,400; None if it does not ask, or not in words that anybody knows.

    A date counts from the response's own `Date`: the two are from one clock. Without one it says nothing, since no clock of ours is asked.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        # A number of any length, as text it is not compared.
        return min(float(text), MAXIMUM_DELAY_SECONDS)
    then, now = _seconds_since_1970(text), _seconds_since_1970(headers.get("date", ""))
    return None if then is None or now is None else min(max(0.0, then - now), MAXIMUM_DELAY_SECONDS)


def _seconds_since_1970(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None
