"""What commands read: Kafka, and an archive before it where one is set."""

from __future__ import annotations

from motet.archive.stored import Archive, Joined, Known
from motet.chassis.codec import Schemas
from motet.chassis.log_reader import LogReader, OpenLog
from motet.chassis.settings import Settings


def opened(settings: Settings) -> OpenLog:
    """The log: Kafka's, or with MOTET_ARCHIVE_DIRECTORY what its files have and Kafka has no more as well. Whoever opens it closes it."""
    kafka = LogReader(settings.kafka_bootstrap)
    return kafka if settings.archive_directory is None else Joined(Archive(settings.archive_directory), kafka)


def schemas_of(settings: Settings, registry: Schemas) -> Schemas:
    """The schemas that such a log needs."""
    return registry if settings.archive_directory is None else Known(registry, Archive(settings.archive_directory))
