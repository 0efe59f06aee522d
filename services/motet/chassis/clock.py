"""A hybrid logical clock (Kulkarni et al., 2014) in one integer: milliseconds << 16 | counter.

Its wall time is the time at which Kafka appended the input, which is in the log: a replay mints the same values.
"""

from __future__ import annotations

COUNTER_BITS = 16


def tick(last: int, wall_ms: int) -> int:
    """The next value after `last` at a wall time: later than both, and equal on a replay."""
    return max(last + 1, wall_ms << COUNTER_BITS)


def wall_ms(hlc: int) -> int:
    """The wall time in a value, in milliseconds since 1970."""
    return hlc >> COUNTER_BITS
