"""A history read from Kafka as it is now. Nothing is written: no group, no topic, no schema."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing

from motet.archive import opened, schemas_of
from motet.chassis.codec import schema_id_of
from motet.chassis.errors import ConfigurationError
from motet.chassis.hop import MERGES
from motet.chassis.lag import published_by
from motet.chassis.log_reader import Log
from motet.chassis.offsets import Place
from motet.chassis.provision import catalog, entry
from motet.chassis.registry import Registry
from motet.chassis.service import Service
from motet.chassis.settings import Settings
from motet.conformance.history import History, deciding


def read(settings: Settings, services: Sequence[str], only: Service | None = None) -> History:
    """What Motet's topics hold, or only those that one service reads or writes, and how far the groups of services are.

    Raises ConfigurationError where the log begins later than at its beginning.
    """
    covered = published_by(settings.kafka_bootstrap, services)
    with (
        closing(opened(settings)) as log,
        closing(Registry(settings.schema_registry_url)) as registry,
    ):
        places = [place for place in log.places()[1] if only is None or concerns(only, place[0])]
        # How a batch was merged is written before what followed from it: with the end of the one asked first, the other is there too.
        ranges = whole(log, [place for place in places if place[0] == MERGES])
        ranges |= whole(log, [place for place in places if place[0] != MERGES])
        messages = [message for batch in log.read(ranges) for message in batch]
        known = schemas_of(settings, registry)
        ids = sorted({one for message in messages if (one := schema_id_of(message.value or b"")) is not None})
        texts = {number: text for number in ids if (text := known.schema(number)) is not None}
    return History(messages, texts, catalog()[0], deciding(settings), covered)


def concerns(service: Service, topic: str) -> bool:
    """Whether a service reads or writes a topic, one of a toolset too: a host of plans invokes whatever toolsets there are."""
    named = {*(one.topic for one in service.inputs), *service.outputs}
    return topic in named or service.name in entry(topic).producers


def whole(log: Log, places: Iterable[Place]) -> dict[Place, tuple[int, int]]:
    """Everything that partitions hold. Raises ConfigurationError for one whose beginning is gone."""
    bounds = log.bounds(places)
    for (topic, number), found in bounds.items():
        if found.begin > 0:
            raise ConfigurationError(
                f"{topic}, partition {number}, begins at offset {found.begin}: what stood before is gone, and nothing follows from a part: if it "
                "was archived, set MOTET_ARCHIVE_DIRECTORY"
            )
    return {place: (0, found.end) for place, found in bounds.items()}
