"""An archive as a log, and an archive with Kafka behind it as one log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

from motet.archive import manifest as manifests
from motet.archive import segment as segments
from motet.chassis.codec import Schemas
from motet.chassis.errors import ConfigurationError
from motet.chassis.log_reader import BATCH, Bounds, OpenLog, Place
from motet.chassis.message import Message

NOTHING: Final = Bounds(0, 0)


class Archive:
    """What the files have. Nothing is written; a file is read when it is asked for."""

    def __init__(self, directory: Path) -> None:
        """Raises ConfigurationError where there is no archive."""
        found = manifests.read(directory)
        if found is None:
            raise ConfigurationError(f"{directory} has no {manifests.MANIFEST}: `motet archive write` makes an archive")
        self.directory, self.manifest = directory, found
        self.texts = manifests.read_schemas(directory)

    def places(self) -> tuple[str, list[Place]]:
        """The cluster's id, and every partition of which there are records."""
        return self.manifest.cluster, sorted(self.manifest.segments)

    def bounds(self, places: Iterable[Place]) -> dict[Place, Bounds]:
        """What the files have of partitions."""
        return {place: self.manifest.bounds(place) or NOTHING for place in places}

    def read(self, ranges: Mapping[Place, tuple[int, int]]) -> Iterator[list[Message]]:
        """The records of ranges, one partition after the other, in batches. Raises ConfigurationError."""
        for place, (begin, end) in ranges.items():
            for one in self.manifest.segments.get(place, ()):
                if one.first < end and one.next > begin:
                    found = (message for message in segments.read(self.directory, one) if begin <= message.offset < end)
                    while batch := list(islice(found, BATCH)):
                        yield batch

    def schema_id(self, topic: str, full_name: str) -> int:
        """Nothing is written here."""
        raise ConfigurationError(f"an archive is read, not written: {full_name} on {topic}")

    def schema(self, schema_id: int) -> str | None:
        """The text of a schema."""
        return self.texts.get(schema_id)

    def behind(self, places: Iterable[Place], at_ms: int) -> dict[Place, int | None]:
        """The first offset whose record came after a time, in milliseconds since 1970; None where none did. Raises ConfigurationError."""
        return {place: self.first_behind(place, at_ms) for place in places}

    def first_behind(self, place: Place, at_ms: int) -> int | None:
        """The same of one partition."""
        for one in self.manifest.segments.get(place, ()):
            if one.last_ms > at_ms:
                for message in segments.read(self.directory, one):
                    if message.timestamp_ms > at_ms:
                        return message.offset
        return None

    def close(self) -> None:
        """Nothing is open."""


class Joined:
    """Files for what Kafka has no more, and Kafka from there on."""

    def __init__(self, archive: Archive, kafka: OpenLog) -> None:
        self.archive, self.kafka = archive, kafka

    def places(self) -> tuple[str, list[Place]]:
        """What Kafka has. Raises ConfigurationError for another cluster's archive."""
        cluster, places = self.kafka.places()
        if cluster != self.archive.manifest.cluster:
            raise ConfigurationError(
                f"{self.archive.directory} is an archive of cluster {self.archive.manifest.cluster}, and the log is of {cluster}"
            )
        return cluster, places

    def bounds(self, places: Iterable[Place]) -> dict[Place, Bounds]:
        """From the first record in files to the last one in Kafka. Raises ConfigurationError where something lies between that neither has."""
        out = {}
        for place, found in self.kafka.bounds(places).items():
            archived = self.archive.manifest.bounds(place)
            if archived is None or archived.begin >= found.begin:
                out[place] = found
            elif archived.end < found.begin:
                raise ConfigurationError(
                    f"{place[0]}, partition {place[1]}: the archive {self.archive.directory} ends at offset {archived.end}, and Kafka begins at "
                    f"{found.begin}: what lies between is in neither; look for an archive that has it"
                )
            else:
                out[place] = Bounds(archived.begin, found.end)
        return out

    def read(self, ranges: Mapping[Place, tuple[int, int]]) -> Iterator[list[Message]]:
        """The records of ranges: of each partition first what only files have. Raises ConfigurationError, LogUnreadable."""
        begins = {place: one.begin for place, one in self.kafka.bounds(ranges).items()}
        yield from self.archive.read(
            {place: (begin, min(end, begins[place])) for place, (begin, end) in ranges.items()}
        )
        yield from self.kafka.read({place: (max(begin, begins[place]), end) for place, (begin, end) in ranges.items()})

    def behind(self, places: Iterable[Place], at_ms: int) -> dict[Place, int | None]:
        """The first offset whose record came after a time: in files, where it is one that Kafka has no more."""
        wanted = list(places)
        later = self.kafka.behind(wanted, at_ms)
        begins = {place: one.begin for place, one in self.kafka.bounds(wanted).items()}
        for place, earlier in self.archive.behind(wanted, at_ms).items():
            if earlier is not None and earlier < begins[place]:
                later[place] = earlier
        return later

    def close(self) -> None:
        """Ends the reader of Kafka."""
        self.kafka.close()


class Known:
    """The schemas of a registry, and those of an archive that it has no more. Nothing is written by the archive's."""

    def __init__(self, registry: Schemas, archive: Archive) -> None:
        self.registry, self.archive = registry, archive

    def schema_id(self, topic: str, full_name: str) -> int:
        """The registry's id."""
        return self.registry.schema_id(topic, full_name)

    def schema(self, schema_id: int) -> str | None:
        """The text of a schema: the archive's first, because an id is what it was when the record was written."""
        return self.archive.schema(schema_id) or self.registry.schema(schema_id)
