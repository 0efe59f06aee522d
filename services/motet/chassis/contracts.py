"""The contracts of tools as Kafka has them: what there is to call, without asking a service."""

from __future__ import annotations

from contextlib import closing
from typing import Final

from motet.chassis.codec import Codec
from motet.chassis.errors import Undecodable
from motet.chassis.log_reader import LogReader
from motet.chassis.message import Message
from motet.records import ToolContract

TOPIC: Final = "motet.contracts"


def newest(bootstrap: str, codec: Codec) -> list[ToolContract]:
    """The newest version of every tool's contract, by name. Raises as `every` does."""
    found = every(bootstrap, codec)
    return [found[place] for place in sorted((name, None) for name, version in found if version is None)]


def every(bootstrap: str, codec: Codec) -> dict[tuple[str, int | None], ToolContract]:
    """All contracts by name and version, the newest of a name under None as well; none on a cluster that has no such topic yet.

    Each partition has all of them, so that each shard of a host reads its own copy; the first is read here. Raises LogUnreadable,
    RegistryUnavailable.
    """
    place = (TOPIC, 0)
    found: dict[tuple[str, int | None], ToolContract] = {}
    with closing(LogReader(bootstrap)) as log:
        if place not in log.places()[1]:
            return found
        bounds = log.bounds([place])[place]
        for batch in log.read({place: (bounds.begin, bounds.end)}):
            for message in batch:
                record = readable(codec, message)
                if isinstance(record, ToolContract):
                    before = found.get((record.name, None))
                    if before is None or record.version >= before.version:
                        found[record.name, None] = record
                    found[record.name, record.version] = record
    return found


def readable(codec: Codec, message: Message) -> object:
    """A record; None for a key that was deleted, and for what nobody can read: the audit names that."""
    if message.value is None:
        return None
    try:
        return codec.decode(message.value)
    except Undecodable:
        return None
