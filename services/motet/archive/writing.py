"""Goes on with an archive: what the log has and the archive lacks, partition by partition, a segment at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from motet.archive import manifest as manifests
from motet.archive import segment as segments
from motet.archive.manifest import Manifest
from motet.chassis.codec import Schemas, schema_id_of
from motet.chassis.errors import ConfigurationError
from motet.chassis.lanes import HEADER
from motet.chassis.log_reader import OpenLog
from motet.chassis.message import Message
from motet.chassis.offsets import Place

# Offsets of a segment at most.
SEGMENT: Final = 100_000


def write(
    log: OpenLog,
    schemas: Schemas,
    directory: Path,
    until_ms: int | None,
    report: Callable[[int, int], None],
    size: int = SEGMENT,
) -> Manifest:
    """Archives everything up to now, or what Kafka had by a time; `report` is told how many records were written, and of how many.

    The manifest names a segment once it is on the disk. Raises ConfigurationError for another cluster's archive, a directory that is none,
    a second writer; and, once everything else is archived, for records that Kafka deleted before they were.
    """
    with manifests.alone(directory):
        cluster, places = log.places()
        manifest = manifests.begun(directory, cluster)
        manifests.clear(directory, manifest)
        due, lost = due_of(log, manifest, places, until_ms)
        done, total = 0, sum(end - begin for begin, end in due.values())
        for place, (begin, end) in due.items():
            for first in range(begin, end, size):
                upto = min(first + size, end)
                messages = noted(log, {place: (first, upto)}, schemas, manifest.schemas)
                manifest.add(segments.write(directory, place, first, upto, messages))
                manifest.write(directory)
                done += upto - first
                report(done, total)
        if lost:
            raise ConfigurationError(
                f"everything else is archived, but {'; '.join(lost)}: deleted without being archived. This archive stays good up to there; "
                "begin another one, in a directory of its own, for what comes from here on"
            )
        return manifest


def due_of(
    log: OpenLog, manifest: Manifest, places: list[Place], until_ms: int | None
) -> tuple[dict[Place, tuple[int, int]], list[str]]:
    """What is to be written of each partition; and where the log begins behind what is archived, in words."""
    bounds = log.bounds(places)
    behind = {} if until_ms is None else log.behind(places, until_ms)
    due, lost = {}, []
    for place, found in sorted(bounds.items()):
        archived = manifest.bounds(place)
        begin = found.begin if archived is None else archived.end
        if begin < found.begin:
            lost.append(
                f"{place[0]}, partition {place[1]}, is archived up to offset {begin}, and the log begins at {found.begin}"
            )
            continue
        cut = behind.get(place)
        end = found.end if cut is None else min(cut, found.end)
        if begin < end:
            due[place] = begin, end
    return due, lost


def noted(
    log: OpenLog, ranges: dict[Place, tuple[int, int]], schemas: Schemas, texts: dict[int, str]
) -> Iterator[Message]:
    """The records of a range; the schemas that they were written in are noted on the way.

    Anybody may write anything at a door, and an audit names what else was forged. What came on a lane has a schema: raises
    ConfigurationError where nobody knows it any more.
    """
    for batch in log.read(ranges):
        for message in batch:
            number = schema_id_of(message.value or b"")
            if number is not None and number not in texts:
                text = schemas.schema(number)
                if text is not None:
                    texts[number] = text
                elif any(name == HEADER for name, _ in message.headers):
                    raise ConfigurationError(
                        f"{message.where} was written in schema {number}, which the registry does not know: without it nobody could read "
                        "the archive. Bring the registry's content back first"
                    )
            yield message
