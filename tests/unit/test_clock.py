"""Hybrid logical clocks: an effect is later than its cause, whatever the clocks of their machines say; and no clock drags others for ever."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.chassis import clock
from motet.chassis.log_clock import NANOSECONDS, LogClock

NOW: Final = 1_795_000_000_000
DAY: Final = 86_400_000
# Longer than the lines of a test take.
SOON: Final = 60_000
# Clocks of machines that are days apart.
WALLS: Final = st.integers(NOW - 20 * DAY, NOW + 10 * DAY)
VALUES: Final = st.builds(lambda wall, count: (wall << clock.COUNTER_BITS) + count, WALLS, st.integers(0, 2**16 - 1))


@given(VALUES, VALUES, WALLS)
def test_an_effect_is_later_than_its_cause_and_than_what_its_shard_said(last: int, heard: int, wall: int) -> None:
    """Also where the clocks of cause and effect are days apart."""
    after = clock.tick(clock.receive(last, heard, wall), wall)
    assert after > last
    assert after > heard


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(-10 * DAY, 10 * DAY)), max_size=60))
def test_order_of_causes_is_order_of_values(steps: list[tuple[int, int, int]]) -> None:
    """Four shards send to each other, each by a clock that jumps at every step: what happened before has the smaller value."""
    values, behind = [0] * 4, [set[int]() for _ in range(4)]
    events: list[tuple[int, frozenset[int]]] = []
    for source, target, jump in steps:
        for shard in (source, target):
            values[shard] = clock.receive(values[shard], values[source], NOW + jump)
            behind[shard] |= behind[source]
            values[shard] = clock.tick(values[shard], NOW + jump)
            events.append((values[shard], frozenset(behind[shard])))
            behind[shard].add(len(events) - 1)
    for value, causes in events:
        assert all(events[cause][0] < value for cause in causes)


@given(VALUES, st.integers(0, 2**62))
def test_a_clock_that_is_ahead_by_more_than_the_bound_is_not_taken_over(last: int, heard: int) -> None:
    """What is merged is ahead of the log by a month at most."""
    merged = clock.receive(last, heard, NOW)
    assert merged == last or clock.ahead_ms(merged, NOW) <= clock.BOUND_MS


@pytest.mark.parametrize(("ahead", "taken"), [(clock.BOUND_MS, True), (clock.BOUND_MS + 1, False)])
def test_the_bound_is_exact(ahead: int, taken: bool) -> None:
    """To the millisecond."""
    heard = (NOW + ahead) << clock.COUNTER_BITS
    assert (clock.receive(0, heard, NOW) == heard) is taken


@given(WALLS, st.lists(WALLS, max_size=3), st.integers(0, DAY))
def test_the_logs_time_is_no_machines(begins_at: int, heard: list[int], ticks: int) -> None:
    """What Kafka said last, and the ticks since then; what this machine takes for now is nowhere in it."""
    log_clock = LogClock(begins_at)
    for timestamp_ms in heard:
        log_clock.heard(timestamp_ms)
    log_clock.seen -= ticks * NANOSECONDS
    passed = log_clock.now() - [begins_at, *heard][-1]
    assert ticks <= passed < ticks + SOON
