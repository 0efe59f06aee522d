"""A hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014) in one integer: milliseconds << 16 | counter.

A shard's value is later than that of every record that it took and of every fact that it published: an effect is later than its cause,
whatever the clocks of their machines say. Its physical part is the time at which Kafka appended the input, which is in the log: a replay
mints the same values.

How far it may run ahead: facts take their time from Kafka (`LogClock`), so no machine's clock drags anybody along. A record that is more
than `NOTED_MS` ahead of the time at which Kafka appended it is merged, so that causes stay before effects, and noted in the service's
logging; so is one that is more than `BOUND_MS` ahead, and it is not merged: a month is no drift, it is a broken clock, and everybody would
keep it for ever.
"""

from __future__ import annotations

from typing import Final

COUNTER_BITS: Final = 16
NOTED_MS: Final = 60_000
BOUND_MS: Final = 31 * 86_400_000


def tick(last: int, wall_ms: int) -> int:
    """The next value after `last` at a wall time: later than both, and equal on a replay."""
    return max(last + 1, wall_ms << COUNTER_BITS)


def receive(last: int, heard: int, wall_ms: int) -> int:
    """The value of a shard that had `last`, once it took a record with the value `heard` that Kafka appended at a wall time.

    The next `tick` is later than both.
    """
    return last if ahead_ms(heard, wall_ms) > BOUND_MS else max(last, heard)


def ahead_ms(hlc: int, at_ms: int) -> int:
    """By how much a value is ahead of a wall time."""
    return wall_ms(hlc) - at_ms


def wall_ms(hlc: int) -> int:
    """The wall time in a value, in milliseconds since 1970."""
    return hlc >> COUNTER_BITS
