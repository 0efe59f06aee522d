"""What an archive holds, written such that a reader sees the old or the new of it, never a part."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from motet.chassis.errors import ConfigurationError
from motet.chassis.log_reader import Bounds, Place

MANIFEST: Final = "manifest.json"
SCHEMAS: Final = "schemas.json"
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Segment:
    """A file: records of a partition from offset `first` up to `next`, which is not in it. Times are Kafka's, in milliseconds since 1970."""

    topic: str
    partition: int
    first: int
    next: int
    records: int
    first_ms: int
    last_ms: int
    size: int
    sha256: str

    @property
    def place(self) -> Place:
        """Whose records it has."""
        return self.topic, self.partition

    @property
    def path(self) -> str:
        """Where it is in the archive."""
        return f"{self.topic}/{self.partition}/{self.first:020}-{self.next:020}.avro"


@dataclass(slots=True)
class Manifest:
    """Which cluster's log it is, and its segments by partition, in order and without a gap."""

    cluster: str
    segments: dict[Place, list[Segment]] = field(default_factory=dict)

    def bounds(self, place: Place) -> Bounds | None:
        """The first offset that it has of a partition, and the one after the last; None if it has none of it."""
        found = self.segments.get(place)
        return Bounds(found[0].first, found[-1].next) if found else None

    def add(self, segment: Segment) -> None:
        """One more, behind those that are there."""
        self.segments.setdefault(segment.place, []).append(segment)

    def all(self) -> Iterator[Segment]:
        """Every segment, by place and offset."""
        for place in sorted(self.segments):
            yield from self.segments[place]

    def write(self, directory: Path) -> None:
        """Writes it down, durably."""
        content = {"version": VERSION, "cluster": self.cluster, "segments": [asdict(one) for one in self.all()]}
        write_durably(directory / MANIFEST, json.dumps(content, indent=1) + "\n")


def read(directory: Path) -> Manifest | None:
    """The manifest of an archive; None where there is none yet. Raises ConfigurationError for what is none, or has gaps."""
    path = directory / MANIFEST
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            raise ConfigurationError(
                f"{path} is of version {content['version']}, and this Motet reads {VERSION}: use a newer one"
            )
        manifest = Manifest(content["cluster"])
        for row in content["segments"]:
            manifest.add(Segment(**row))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ConfigurationError(f"{path} is no manifest of an archive: {error}") from error
    for (topic, partition), found in manifest.segments.items():
        for before, after in pairwise(found):
            if before.next != after.first:
                raise ConfigurationError(
                    f"{path} has {topic}, partition {partition}, up to offset {before.next} and on from {after.first}: what lies between is missing"
                )
    return manifest


def clear(directory: Path, manifest: Manifest) -> None:
    """Removes what a killed run left: files that have no name yet, or that no manifest has."""
    known = {directory / one.path for one in manifest.all()}
    for path in [*directory.rglob("*.part"), *directory.rglob("*.avro")]:
        if path not in known:
            path.unlink()


def read_schemas(directory: Path) -> dict[int, str]:
    """The schemas of an archive by id. Raises ConfigurationError."""
    path = directory / SCHEMAS
    try:
        return {
            int(number): json.dumps(schema) for number, schema in json.loads(path.read_text(encoding="utf-8")).items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigurationError(f"{path} has no schemas by id: {error}") from error


def write_schemas(directory: Path, texts: Mapping[int, str]) -> None:
    """Writes the schemas down, durably."""
    content = {str(number): json.loads(text) for number, text in sorted(texts.items())}
    write_durably(directory / SCHEMAS, json.dumps(content, indent=1) + "\n")


def write_durably(path: Path, text: str) -> None:
    """Puts a file in another one's place once it is on the disk."""
    fresh = path.with_name(f"{path.name}.part")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    put(fresh, path)


def put(fresh: Path, path: Path) -> None:
    """Gives a finished file its name, durably."""
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """One writer at a time. Raises ConfigurationError where another one is at work."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / "lock").open("w")
    except OSError as error:
        raise ConfigurationError(f"{directory} cannot be written: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError(
                f"somebody else is writing the archive {directory}: wait for it, or end it"
            ) from error
        yield
