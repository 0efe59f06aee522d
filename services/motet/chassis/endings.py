"""A record over which a hop failed, led to its end in a hop of its own: handled, else answered, else buried."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final, Protocol

import psycopg
from confluent_kafka import KafkaException

from motet.chassis import guard
from motet.chassis.errors import Fenced, Refused, RegistryUnavailable
from motet.chassis.hop import Hop
from motet.chassis.message import Message
from motet.chassis.outbox import Row
from motet.chassis.publisher import ProducerLost
from motet.chassis.service import Handler

DATABASE: Final = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)
# Errors that say something about this process or its servers, not about a record.
OURS: Final = (Fenced, Refused, RegistryUnavailable, ProducerLost, KafkaException, *DATABASE)


class Anew(Protocol):
    """Throws memory away and begins from the rows."""

    def __call__(self, *, careful: bool, faults: Mapping[int, str]) -> tuple[Hop, Handler]:
        """A new hop and its handler."""


def lead_to_an_end(message: Message, anew: Anew, log: Any) -> list[Row]:
    """One record's own hop. Each way begins from the rows. Raises what even burying it raised."""
    faults: dict[int, str] = {}
    while True:
        hop, handler = anew(careful=True, faults=faults)
        end = guard.attempt(partial(hop.run, [message], handler), OURS)
        if isinstance(end, guard.Done) or hop.over is None:
            break
        # A repair failed over a record that waited behind its dead letter: the next hop makes a dead letter of that one too.
        faults[hop.over] = end.text
    for way in (Hop.give_up, Hop.bury):
        if isinstance(end, guard.Done):
            break
        log.warning("record given up", at=message.where, reason=end.text)
        hop, handler = anew(careful=False, faults={})
        end = guard.attempt(partial(way, hop, message, handler, end.text), OURS)
    if isinstance(end, guard.Raised):
        raise end.error
    return end.value
