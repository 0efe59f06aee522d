"""The laws of leases: one holder, rising tokens, the order of the log, no deadlock, an end for everything, and rows that are enough."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from leasing import Office


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_leases_keep_their_laws(seed: int, records: int) -> None:
    """At every step, as `Office` states them, and at the end."""
    office = Office(Random(seed))  # noqa: S311  no secret
    for _ in range(records):
        office.happen()
    office.close()
