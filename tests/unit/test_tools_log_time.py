"""Keys of a batch, fencing tokens, and the log's time: what a tool host decides without a clock of its own."""

from __future__ import annotations

import os
from typing import Any

import pytest

from motet.chassis.service import Received
from motet.records import Invocation, InvokeCalls, Meta, StopCalls
from motet.tools.host import apart
from motet.tools.intents import token_of
from motet.tools.log_time import LogTime
from shop import META, invocation

HOUR = 3_600_000


def test_a_token_grows_with_each_attempt_and_each_owner() -> None:
    """What keeps the highest one refuses every former owner, whichever attempt that made."""
    tokens = [token_of(epoch, attempt) for epoch in (0, 1, 2, 1_000) for attempt in (1, 2, 100, 65_535)]
    assert tokens == sorted(set(tokens))


def received(record: Any, offset: int, timestamp_ms: int) -> Received:
    """A record of the log."""
    return Received("motet.invocations.shop", 0, offset, b"", b"", timestamp_ms, record, os.urandom(4).hex())


def sent(call: Invocation, recorded_at: int) -> InvokeCalls:
    """An invocation, sent at a time of the coordinator's inputs."""
    return InvokeCalls(Meta("e", "c", "x", "acme", "main", 1, recorded_at, None), "plan", "ann", (call,))


@pytest.mark.parametrize("skew", [0, HOUR, -HOUR])
@pytest.mark.parametrize(("waited", "expected"), [(0, False), (4_000, False), (6_000, True)])
def test_too_late_is_what_waited_longer_than_it_had(skew: int, waited: int, expected: bool) -> None:
    """The coordinator gave it five seconds. Whose clock is how wrong does not matter: broker's, coordinator's, this machine's."""
    call = Invocation(0, "c0", "shop.pure", 1, "{}", "k", 1, "RUN", 1_005_000)
    first = received(sent(call, 1_000_000), 10, 1_000_000 + skew)
    later = received(StopCalls(META, "other", (), ""), 11, 1_000_000 + skew + waited)
    log_time = LogTime()
    log_time.heard(first)
    assert not log_time.too_late(first, call)
    log_time.heard(later)
    assert log_time.too_late(first, call) is expected
    assert not log_time.too_late(first, invocation())


def test_what_comes_back_from_the_dead_letters_is_old() -> None:
    """It does not set the time back, and its own time was over long ago."""
    call = Invocation(0, "c0", "shop.pure", 1, "{}", "k", 1, "RUN", 1_005_000)
    old = received(sent(call, 1_000_000), 10, 1_000_000)
    log_time = LogTime()
    log_time.heard(received(StopCalls(META, "other", (), ""), 900, 1_000_000 + HOUR))
    log_time.heard(old)
    assert log_time.too_late(old, call)


def test_the_logs_time_goes_on_between_records() -> None:
    """By this machine's ticks, not by its clock."""
    call = Invocation(0, "c0", "shop.pure", 1, "{}", "k", 1, "RUN", 1_005_000)
    first = received(sent(call, 1_000_000), 10, 1_000_000)
    log_time = LogTime()
    log_time.heard(first)
    log_time.seen -= 6_000 * 1_000_000
    assert log_time.too_late(first, call)


def test_a_key_is_once_in_each_part_of_a_batch() -> None:
    """So the second call of a key is answered by what came of the first."""
    keys = ["a", "b", "a", "a", "c", "b"]
    batch = [
        received(sent(Invocation(0, "c", "shop.pure", 1, "{}", key, 1), 1), number, 1)
        for number, key in enumerate(keys)
    ]
    assert [[one.offset for one in part] for part in apart(batch)] == [[0, 1], [2], [3, 4, 5]]
    assert apart([]) == []
