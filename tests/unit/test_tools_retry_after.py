"""`Retry-After`, as servers write it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from motet.tools.retry_after import retry_after

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def at(seconds: float) -> str:
    """A date, as HTTP writes it, so many seconds after noon."""
    return format_datetime(NOON + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("9" * 400, 86_400.0),
        (at(90), 90.0),
        (at(-90), 0.0),
        (at(10**6), 86_400.0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("²", None),
        ("soon", None),
        ("Sat, 31 Feb 2026 12:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(given: str, seconds: float | None) -> None:
    """A date counts from the server's own clock; both are bounded by a day, and what nobody understands is no wait."""
    assert retry_after({"retry-after": given, "date": at(0)}) == seconds


def test_without_a_servers_clock_there_is_none() -> None:
    """A response without a date: how far away another date is, our own clock must not say."""
    assert retry_after({"retry-after": at(60)}) is None
    assert retry_after({}) is None
