"""Whether an archive's files are what its manifest says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from motet.archive import segment as segments
from motet.archive.manifest import Segment
from motet.archive.stored import Archive
from motet.chassis.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Fault:
    """A file that is not as it was written."""

    path: str
    said: str


def verify(archive: Archive) -> Iterator[Fault]:
    """The files that are gone or changed. Which record was changed an audit of the archive says, by lanes and digests."""
    for one in archive.manifest.all():
        said = fault_of(archive, one)
        if said is not None:
            yield Fault(one.path, said)


def fault_of(archive: Archive, one: Segment) -> str | None:
    """What is wrong with a file; None if nothing is."""
    path = archive.directory / one.path
    try:
        size, digest = path.stat().st_size, segments.digest_of(path)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if (size, digest) == (one.size, one.sha256):
        return None
    changed = f"has {size} bytes and the SHA-256 {digest[:12]}…, and was written with {one.size} and {one.sha256[:12]}…"
    try:
        found = sum(1 for _ in segments.read(archive.directory, one))
    except ConfigurationError as error:
        return f"{changed}: {error}"
    return f"{changed}; {found} of its {one.records} records can be read: `motet audit --archive` names those that were changed"
