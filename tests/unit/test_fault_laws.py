"""What holds whatever goes wrong: every policy, every effect class, every input in any order, a crash before each."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from storm import Storm


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 80))
def test_everything_has_a_defined_end(seed: int, inputs: int) -> None:
    """P1, P2, P3 and P8, as `Storm` states them, at every step and at the end; and a restored schedule decides the same."""
    storm = Storm(Random(seed))  # noqa: S311  no secret
    for _ in range(inputs):
        storm.happen()
    storm.calm_down()
