"""Moments as a person writes them: pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from motet.chassis.cuts import Place
from motet.chassis.errors import ConfigurationError
from motet.cli.past import moment_of

NOW = datetime(2026, 11, 25, 4, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", NOW),
        ("90s", NOW - timedelta(seconds=90)),
        ("2026-11-25T04:00", NOW - timedelta(minutes=30)),
        ("2026-11-25T05:00+01:00", NOW - timedelta(minutes=30)),
        ("2026-11-25T04:29:59.250", NOW - timedelta(seconds=0.75)),
        ("motet.events:2:1734", Place("motet.events", 2, 1734)),
        ("motet.invocations.shop:0:0", Place("motet.invocations.shop", 0, 0)),
    ],
)
def test_a_moment_as_a_person_writes_it(text: str, moment: datetime | Place) -> None:
    """A time, some time ago, now, or the place of a record."""
    assert moment_of(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "1734", "motet.events:2", "motet.events:2:-1", "Motet.Events:2:1"])
def test_no_moment(text: str) -> None:
    """The message names the value and what is allowed."""
    with pytest.raises(ConfigurationError, match=r"no moment: write .* motet\.events:2:1734"):
        moment_of(text, NOW)


def test_a_moment_that_has_not_come() -> None:
    """A year too many is a slip of the finger, not the present."""
    with pytest.raises(ConfigurationError, match="lies in the future: it is 2026-11-25T04:30:00 UTC"):
        moment_of("2027-11-25", NOW)
