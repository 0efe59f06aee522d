"""The checkpoints that are in the log itself."""

from __future__ import annotations

from collections.abc import Iterator

from motet.chassis.codec import Codec
from motet.chassis.errors import Undecodable
from motet.chassis.log_reader import Log
from motet.checkpoints.making import CHECKPOINTS
from motet.records import CheckpointSigned


def published(reader: Log, codec: Codec) -> Iterator[tuple[int, str]]:
    """Their notes with their numbers, in the order of the log; none if nobody ever published one. Raises LogUnreadable."""
    places = [place for place in reader.places()[1] if place[0] == CHECKPOINTS]
    for place, bounds in reader.bounds(places).items():
        for batch in reader.read({place: (bounds.begin, bounds.end)}):
            for message in batch:
                try:
                    record = codec.decode(message.value)
                except Undecodable:
                    continue
                if isinstance(record, CheckpointSigned):
                    yield record.number, record.note
