"""What the benchmark of outages counts."""

from __future__ import annotations

from motet.bench.load import Kind
from motet.bench.outages import Flow


def test_the_longest_time_without_an_end() -> None:
    """Also before the first one and after the last: a kind that ends nothing has a pause as long as one looks."""
    flow = Flow(Kind(), [1.0, 2.0, 2.5, 7.0, 7.5])
    assert flow.between(2.0, 7.0) == [2.0, 2.5]
    assert flow.pause(2.0, 8.0) == 4.5
    assert flow.pause(3.0, 6.0) == 3.0
    assert flow.pause(7.25, 12.0) == 4.5
