"""Where nobody waits for what comes of records, they gather; where somebody may, the next round begins at once."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from motet.chassis.gathering import Gathering, waited_for


@dataclass
class Fact:
    """What a hop says, and where."""

    topic: str


@pytest.mark.parametrize(
    ("topics", "taken", "waits"),
    [
        ([], 1, False),
        (["motet.merges"], 1, False),
        (["motet.merges", "motet.events"], 1, True),
        (["motet.results"], 1, True),
        ([], 250, True),
    ],
)
def test_who_was_told_something_may_answer(topics: list[str], taken: int, waits: bool) -> None:
    """A journal is read by nobody who waits; and what could not be taken whole is behind already."""
    assert waited_for([Fact(topic) for topic in topics], taken, 250) is waits


def test_records_gather_so_long_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done meanwhile is told how long there is."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    waited: list[float] = []

    def meanwhile(seconds: float) -> None:
        """Half of the time passes, at least a millisecond."""
        waited.append(seconds)
        now[0] += max(seconds / 2, 0.001)

    records = Gathering(0.05)
    records.wait(meanwhile)
    assert waited == []
    records.hopped([], 1, 250)
    records.wait(meanwhile)
    assert waited[0] == pytest.approx(0.05)
    assert 100.05 <= now[0] < 100.052
    records.hopped([], 1, 250)
    records.hopped([Fact("motet.events")], 1, 250)
    waited.clear()
    records.wait(meanwhile)
    assert waited == []
