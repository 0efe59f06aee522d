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
from motet.chassis.log_reader import BATCH, Bounds, OpenLog
from motet.chassis.message import Message
from motet.chassis.offsets import Place

NOTHING: Final = Bounds(0, 0)
# Readings that stay open: a file each, and up to a block of it in memory.
OPEN: Final = 64


class Reading:
    """A partition's records, and up to which offset they were taken. Where a segment ends is nothing that who reads need know."""

    def __init__(self, begin: int, messages: Iterator[Message]) -> None:
        self.next = begin
        self.messages = messages
        self.ahead: Message | None = None

    def upto(self, end: int) -> Iterator[Message]:
        """The records below an offset that were not taken yet."""
        self.next = -1
        while (one := self.ahead or next(self.messages, None)) is not None and one.offset < end:
            self.ahead = None
            yield one
        self.ahead, self.next = one, end


class Archive:
    """What the files have. Nothing is written; a file is read when it is asked for, and stays open for who reads on from there."""

    def __init__(self, directory: Path) -> None:
        """Raises ConfigurationError where there is no archive."""
        found = manifests.read(directory)
        if found is None:
            raise ConfigurationError(f"{directory} has no {manifests.MANIFEST}: `motet archive write` makes an archive")
        self.directory, self.manifest = directory, found
        self.open: dict[Place, Reading] = {}

    def places(self) -> tuple[str, list[Place]]:
        """The cluster's id, and every partition of which there are records."""
        return self.manifest.cluster, sorted(self.manifest.segments)

    def bounds(self, places: Iterable[Place]) -> dict[Place, Bounds]:
        """What the files have of partitions."""
        return {place: self.manifest.bounds(place) or NOTHING for place in places}

    def read(self, ranges: Mapping[Place, tuple[int, int]]) -> Iterator[list[Message]]:
        """The records of ranges, one partition after the other, in batches. Raises ConfigurationError."""
        for place, (begin, end) in ranges.items():
            if begin < end:
                records = self.reading(place, begin).upto(end)
                while batch := list(islice(records, BATCH)):
                    yield batch

    def reading(self, place: Place, begin: int) -> Reading:
        """A reading that goes on from an offset: the last one of the partition, if it ended there. The newest few stay open."""
        found = self.open.pop(place, None)
        if found is None or found.next != begin:
            found = Reading(begin, self.messages(place, begin))
        self.open[place] = found
        if len(self.open) > OPEN:
            del self.open[next(iter(self.open))]
        return found

    def messages(self, place: Place, begin: int) -> Iterator[Message]:
        """A partition's records from an offset on. Raises ConfigurationError."""
        for one in self.manifest.segments.get(place, ()):
            if one.next > begin:
                yield from (message for message in segments.read(self.directory, one) if message.offset >= begin)

    def schema_id(self, topic: str, full_name: str) -> int:
        """Nothing is written here."""
        raise ConfigurationError(f"an archive is read, not written: {full_name} on {topic}")

    def schema(self, schema_id: int) -> str | None:
        """The text of a schema."""
        return self.manifest.schemas.get(schema_id)

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
        self.compared = False

    def places(self) -> tuple[str, list[Place]]:
        """What Kafka has. Raises ConfigurationError for another cluster's archive."""
        cluster, places = self.kafka.places()
        if cluster != self.archive.manifest.cluster:
            raise ConfigurationError(
                f"{self.archive.directory} is an archive of cluster {self.archive.manifest.cluster}, and the log is of {cluster}"
            )
        self.compared = True
        return cluster, places

    def of_kafka(self, places: Iterable[Place]) -> dict[Place, Bounds]:
        """What Kafka has. Raises ConfigurationError for another cluster's archive, which is compared once."""
        if not self.compared:
            self.places()
        return self.kafka.bounds(places)

    def bounds(self, places: Iterable[Place]) -> dict[Place, Bounds]:
        """From the first record in files to the last one in Kafka. Raises ConfigurationError where something lies between that neither has."""
        out = {}
        for place, found in self.of_kafka(places).items():
            archived = self.archive.manifest.bounds(place)
            if archived is None or archived.begin >= found.begin:
                out[place] = found
            else:
                self.hold(place, archived.end, found.begin)
                out[place] = Bounds(archived.begin, found.end)
        return out

    def hold(self, place: Place, end: int, begin: int) -> None:
        """Raises ConfigurationError where the files end before what Kafka begins with."""
        if end < begin:
            raise ConfigurationError(
                f"{place[0]}, partition {place[1]}: the archive {self.archive.directory} ends at offset {end}, and Kafka begins at "
                f"{begin}: what lies between is in neither; look for an archive that has it"
            )

    def read(self, ranges: Mapping[Place, tuple[int, int]]) -> Iterator[list[Message]]:
        """The records of ranges: of each partition first what only files have. Raises ConfigurationError, LogUnreadable."""
        begins = {place: one.begin for place, one in self.of_kafka(ranges).items()}
        stored = {
            place: (begin, min(end, begins[place])) for place, (begin, end) in ranges.items() if begin < begins[place]
        }
        for place, (begin, end) in stored.items():
            archived = self.archive.manifest.bounds(place) or NOTHING
            if begin < archived.begin or archived == NOTHING:
                raise ConfigurationError(
                    f"{place[0]}, partition {place[1]}: Kafka begins at offset {begins[place]}, and the archive {self.archive.directory} "
                    f"has nothing of it before {archived.begin or begins[place]}: offset {begin} is in neither"
                )
            self.hold(place, archived.end, end)
        yield from self.archive.read(stored)
        yield from self.kafka.read({place: (max(begin, begins[place]), end) for place, (begin, end) in ranges.items()})

    def behind(self, places: Iterable[Place], at_ms: int) -> dict[Place, int | None]:
        """The first offset whose record came after a time: in files, where it is one that Kafka has no more."""
        wanted = list(places)
        later = self.kafka.behind(wanted, at_ms)
        begins = {place: one.begin for place, one in self.of_kafka(wanted).items()}
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
