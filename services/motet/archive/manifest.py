"""What an archive holds, written such that a reader sees the old or the new of it, never a part."""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from motet.chassis.errors import ConfigurationError
from motet.chassis.log_reader import Bounds
from motet.chassis.offsets import Place

MANIFEST: Final = "manifest.json"
LOCK: Final = "lock"
PART: Final = ".part"
SEGMENT: Final = re.compile(r"[^/]+/[0-9]+/[0-9]{20}-[0-9]{20}\.(avro|part)")
VERSION: Final = 2


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
    """Which cluster's log it is, its segments by partition, in order and without a gap, and the schemas of their records by id."""

    cluster: str
    segments: dict[Place, list[Segment]] = field(default_factory=dict)
    schemas: dict[int, str] = field(default_factory=dict)

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
        content = {
            "version": VERSION,
            "cluster": self.cluster,
            "segments": [asdict(one) for one in self.all()],
            "schemas": {str(number): json.loads(text) for number, text in sorted(self.schemas.items())},
        }
        write_durably(directory / MANIFEST, json.dumps(content, indent=1) + "\n")


def read(directory: Path) -> Manifest | None:
    """The manifest of an archive; None where there is none yet. Raises ConfigurationError for what is none, or has gaps."""
    path = directory / MANIFEST
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            raise ConfigurationError(
                f"{path} is of version {content['version']}, and this Motet reads {VERSION}: use the Motet that wrote it, or write a new one"
            )
        manifest = Manifest(content["cluster"])
        for row in content["segments"]:
            manifest.add(Segment(**row))
        manifest.schemas = {int(number): json.dumps(schema) for number, schema in content["schemas"].items()}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{path} is no manifest of an archive: {error}") from error
    for (topic, partition), found in manifest.segments.items():
        for before, after in pairwise(found):
            if before.next != after.first:
                raise ConfigurationError(
                    f"{path} has {topic}, partition {partition}, up to offset {before.next} and on from {after.first}: what lies between is missing"
                )
    return manifest


def begun(directory: Path, cluster: str) -> Manifest:
    """The manifest to go on with. A new archive gets one before anything else, in a directory that has nothing in it.

    Raises ConfigurationError for another cluster's archive, and for a directory with files that no manifest speaks of: they are somebody's.
    """
    manifest = read(directory)
    if manifest is None:
        # What a run leaves that was killed before its first manifest had its name.
        ours = {LOCK, f"{MANIFEST}{PART}"}
        foreign = min((path.name for path in directory.iterdir() if path.name not in ours), default=None)
        if foreign is not None:
            raise ConfigurationError(
                f"{directory} has {foreign} and no {MANIFEST}: give the archive a directory of its own; if this was one, put its {MANIFEST} back"
            )
        manifest = Manifest(cluster)
        manifest.write(directory)
    if manifest.cluster != cluster:
        raise ConfigurationError(
            f"{directory} is an archive of cluster {manifest.cluster}, and this is {cluster}: give it a directory of its own"
        )
    return manifest


def clear(directory: Path, manifest: Manifest) -> None:
    """Removes what a killed run left: segments that have no name yet, or that the manifest does not have. Nothing else is touched."""
    known = {one.path for one in manifest.all()}
    for path in directory.glob("*/*/*"):
        name = path.relative_to(directory).as_posix()
        if name not in known and SEGMENT.fullmatch(name) and path.is_file():
            path.unlink()


def write_durably(path: Path, text: str) -> None:
    """Puts a file in another one's place once it is on the disk."""
    fresh = path.with_name(f"{path.name}{PART}")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    put(fresh, path)


def put(fresh: Path, path: Path) -> None:
    """Gives a finished file its name, durably."""
    fresh.replace(path)
    make_durable(path.parent)


def make_durable(folder: Path) -> None:
    """Brings the names in a folder onto the disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it, durably: a file is only as durable as the names that lead to it."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        make_durable(folder.parent)


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """One writer at a time. Raises ConfigurationError where another one is at work."""
    try:
        make_folder(directory)
        lock = (directory / LOCK).open("w")
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
