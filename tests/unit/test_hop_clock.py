"""What a shard says after it took a record is later than the record, by their hybrid clocks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import structlog

from motet.chassis import clock
from motet.chassis.hop import Hop, Tools
from motet.chassis.message import Message
from motet.chassis.service import Service
from motet.chassis.shard import Shard
from motet.records import InvokeCalls
from shop import META, invocation

NOW = 1_700_000_000_000
TOOLS = Tools(
    Service("one", (), (), lambda _: cast("Any", None), "one"),
    *(4, cast("Any", None), cast("Any", None), lambda _: None, structlog.get_logger()),
)


def test_an_effect_is_later_than_a_cause_whose_clock_is_ahead() -> None:
    """By hours, far beyond the time at which Kafka appended it; a clock that is broken takes nobody along."""
    shard = Shard(0)
    hop = Hop(TOOLS, shard)
    message = Message("motet.results", 0, 1, b"k", b"v", NOW, ())
    for ahead_ms, merged in ((0, True), (3 * 3_600_000, True), (clock.BOUND_MS + 1, False)):
        cause = replace(META, hlc=(NOW + ahead_ms << clock.COUNTER_BITS) + 7)
        hop.received(message, b"k", InvokeCalls(cause, "plan", "ann", (invocation(),)), NOW)
        effect = hop.meta("cause", NOW, "acme", "main", "c", None)
        assert (effect.hlc > cause.hlc) is merged, ahead_ms
