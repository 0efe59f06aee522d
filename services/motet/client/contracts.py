"""The contracts of tools as Kafka has them: what there is to call, without asking a service."""

from __future__ import annotations

from contextlib import closing
from typing import Final

from motet.chassis.codec import Codec
from motet.chassis.log_reader import LogReader
from motet.records import ToolContract

TOPIC: Final = "motet.contracts"


def newest(bootstrap: str, codec: Codec) -> list[ToolContract]:
    """The newest version of every tool's contract, by name. Raises LogUnreadable, RegistryUnavailable.

    Each partition has all of them, so that each shard of a host reads its own copy; the first is read here.
    """
    place = (TOPIC, 0)
    found: dict[str, ToolContract] = {}
    with closing(LogReader(bootstrap)) as log:
        end = log.bounds([place])[place].end
        for batch in log.read({place: (log.bounds([place])[place].begin, end)}):
            for message in batch:
                record = codec.decode(message.value) if message.value is not None else None
                if isinstance(record, ToolContract):
                    before = found.get(record.name)
                    if before is None or record.version >= before.version:
                        found[record.name] = record
    return [found[name] for name in sorted(found)]
