"""How long Kafka keeps records: a time a topic, and never less than what an archive has whole, every group and service has read and a
checkpoint has signed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import yaml

from motet.archive.stored import Archive
from motet.archive.verifying import fault_of
from motet.chassis.durations import duration_of
from motet.chassis.errors import ConfigurationError
from motet.chassis.log_reader import Bounds, LogReader
from motet.chassis.log_trim import delete_below, read_by_all, taken_by_services
from motet.chassis.offsets import Place
from motet.chassis.provision import entry
from motet.chassis.settings import Settings

# Services of which there are any number: their schemas, how `topics.yaml` calls them, and the topics of which each has one of its own.
NAMED: Final = (
    (re.compile("tools_(.+)_hop"), "tools-<toolset>", "motet.invocations."),
    (re.compile("agent_(.+)"), "agent-<agent>", "motet.messages."),
)
# Patterns of topics, each with its time.
Times = Mapping[str, timedelta]


@dataclass(frozen=True, slots=True)
class Policy:
    """How long records are kept, by topic or pattern; and personal values after their subject was written of last, by tenant."""

    topics: Times
    tenants: Times


@dataclass(frozen=True, slots=True)
class Kept:
    """A partition: where it begins, where it may begin, and what keeps the rest."""

    topic: str
    partition: int
    begin: int
    upto: int
    kept_by: str

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def read_policy(path: Path) -> Policy:
    """A policy: `topics:` has a time for each topic or pattern such as motet.invocations.*, `tenants:` one for each tenant. What it does not name
    is kept for ever.

    Raises ConfigurationError that says where the file is wrong.
    """
    try:
        written: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    sections = written if isinstance(written, dict) and written and set(written) <= {"topics", "tenants"} else None
    if sections is None or not all(isinstance(one, dict) for one in sections.values()):
        raise ConfigurationError(
            f"{path} is no policy: it has `topics:` and `tenants:` and nothing else, and below each a time for each, such as "
            "`motet.results: 90d` or `acme: 365d`"
        )
    topics, tenants = (
        {str(name): time_of(path, str(name), text) for name, text in sections.get(section, {}).items()}
        for section in ("topics", "tenants")
    )
    for name, time in tenants.items():
        if time < timedelta(days=1):
            raise ConfigurationError(
                f"{path}: {name}: {time} is less than a day, and a subject's use is written down once a day: write 1d or more"
            )
    return Policy(topics, tenants)


def time_of(path: Path, pattern: str, text: object) -> timedelta:
    """A time such as 90d. Raises ConfigurationError."""
    found = duration_of(str(text))
    if found is None:
        raise ConfigurationError(f"{path}: {pattern}: {text!r} is no time: write 3600s, 90m, 12h or 90d")
    return found


def look(
    settings: Settings, directory: Path, times: Times, now: datetime, signed: Mapping[Place, int] | None
) -> list[Kept]:
    """What may go of each partition that a policy names. `signed`: up to where the newest checkpoint has each; None if nobody signs.

    Raises ConfigurationError for another cluster's archive, or one whose files are not as they were written.
    """
    archive, log = Archive(directory), LogReader(settings.kafka_bootstrap)
    try:
        cluster, places = log.places()
        if cluster != archive.manifest.cluster:
            raise ConfigurationError(
                f"{directory} is an archive of cluster {archive.manifest.cluster}, and this is {cluster}"
            )
        named = {place: time for place in places if (time := time_for(place[0], times)) is not None}
        groups, services = read_by_all(settings.kafka_bootstrap), taken_by_services(settings.postgres_url)
        bounds = log.bounds(named)
        out = []
        for place, time in sorted(named.items()):
            behind = log.behind([place], int((now - time).timestamp() * 1_000))[place]
            readers = [*readers_of(place, groups, services)]
            limits = limits_of(archive, place, bounds[place], behind, readers, signed)
            upto, kept_by = min(limits, key=lambda one: one[0])
            found = Kept(*place, bounds[place].begin, max(bounds[place].begin, upto), kept_by)
            whole(archive, found)
            out.append(found)
        return out
    finally:
        log.close()


def time_for(topic: str, times: Times) -> timedelta | None:
    """How long a topic's records are kept; None: for ever. Nothing is taken from a compacted topic: Kafka keeps the newest of each key."""
    if entry(topic).config.get("cleanup.policy") == "compact":
        return None
    return next((time for pattern, time in times.items() if fnmatchcase(topic, pattern)), None)


def readers_of(
    place: Place, groups: Mapping[Place, tuple[int, str]], services: Mapping[str, Mapping[Place, int]]
) -> Iterator[tuple[int, str]]:
    """Who has read a partition up to where: the last group in Kafka, and each service that is there and reads the topic, by its own rows.

    A service that has no row of the partition has read nothing of it.
    """
    if place in groups:
        offset, group = groups[place]
        yield offset, f"group {group} has not read it"
    for schema, taken in services.items():
        if consumer_in(schema, place[0]) in entry(place[0]).consumers:
            yield taken.get(place, 0), f"service {schema} has not taken it"


def consumer_in(schema: str, topic: str) -> str:
    """What `topics.yaml` calls the service that has its rows in a schema; nothing for one that has another topic of this kind."""
    for pattern, called, prefix in NAMED:
        name = pattern.fullmatch(schema)
        if name is not None:
            asked = topic.removeprefix(prefix)
            return "" if asked not in (topic, name[1]) and asked.replace("-", "_") != name[1] else called
    return schema


def limits_of(
    archive: Archive,
    place: Place,
    bounds: Bounds,
    behind: int | None,
    readers: list[tuple[int, str]],
    signed: Mapping[Place, int] | None,
) -> Iterator[tuple[int, str]]:
    """Offsets below which records may go, each with what keeps those behind it; of equals the first one counts."""
    yield (bounds.end, "nothing: it is empty then") if behind is None else (behind, "the policy: younger")
    archived = archive.manifest.bounds(place)
    if archived is not None and archived.begin > bounds.begin:
        yield 0, f"the archive begins at offset {archived.begin}, and Kafka before it: is it this topic's?"
    yield 0 if archived is None else archived.end, "it is not archived: `motet archive write`"
    yield from readers
    if signed is not None:
        yield signed.get(place, 0), "no checkpoint has signed it"


def whole(archive: Archive, found: Kept) -> None:
    """Holds what is to go to its copy. Raises ConfigurationError where that is not as it was written."""
    for one in archive.manifest.segments.get((found.topic, found.partition), ()):
        if one.first < found.upto and one.next > found.begin and (said := fault_of(archive, one)) is not None:
            raise ConfigurationError(f"{archive.directory / one.path} {said}: nothing was deleted")


def delete(settings: Settings, found: list[Kept]) -> None:
    """Deletes what may go. Raises LogUnreadable."""
    delete_below(
        settings.kafka_bootstrap, {(one.topic, one.partition): one.upto for one in found if one.upto > one.begin}
    )
