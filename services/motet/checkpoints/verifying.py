"""Reads the log again beside its checkpoints, and says in words what is not as it was signed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from motet.chassis.log_reader import Log
from motet.checkpoints.directory import Directory
from motet.checkpoints.making import covered
from motet.proofs.chain import Chain, compare, read_chain
from motet.proofs.checkpoint import Place
from motet.proofs.entry import Entry
from motet.proofs.finding import Finding
from motet.proofs.keyring import Keyring
from motet.proofs.reading import Kept, Mark, Reading, marks_of, older_as_a_whole


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verification looked at, and what it found."""

    checkpoints: int
    partitions: int
    records: int
    # Records that came since the newest checkpoint: nobody has signed them yet.
    unsigned: int
    findings: tuple[Finding, ...]


def verify(
    reader: Log,
    directory: Directory,
    keyring: Keyring,
    published: Iterable[tuple[int, str]],
    report: Callable[[int], None],
) -> Verified:
    """Verifies the whole log. `report` is told how many records were read. Raises LogUnreadable, ConfigurationError."""
    chain = read_chain(directory.notes(), keyring)
    findings = [*chain.findings, *compare(chain, read_chain(published, keyring))]
    cluster, places = covered(reader)
    findings += other_cluster(chain, cluster)
    marks = marks_of(list(chain.checkpoints.values()))
    readings: list[Reading] = []
    records = unsigned = 0
    # A topic at a time: no more of it is in memory than its partitions have between two checkpoints.
    for _, group in groupby(sorted({*marks, *places}), key=lambda place: place[0]):
        wanted = list(group)
        there = [place for place in wanted if place in places]
        for one in read(reader, there, marks, kept_in(directory)):
            readings.append(one.reading)
            records += one.records
            unsigned += one.unsigned
        report(records)
        findings += [gone(place, marks[place]) for place in wanted if place not in places]
    older = older_as_a_whole(readings)
    if older is not None and not any(found.kind == "OLD_BACKUP" for found in findings):
        findings.append(older)
    findings += [found for one in readings for found in one.findings]
    return Verified(len(chain.checkpoints), len(marks), records, unsigned, tuple(findings))


@dataclass(slots=True)
class Counted:
    """A partition that is read, and how many records it had."""

    reading: Reading
    unsigned: int
    records: int = 0


def read(
    reader: Log,
    places: Sequence[Place],
    marks: Mapping[Place, Sequence[Mark]],
    kept: Kept,
) -> list[Counted]:
    """Partitions, read from their beginning to where something is signed of them."""
    bounds = reader.bounds(places)
    found: dict[Place, Counted] = {}
    ranges: dict[Place, tuple[int, int]] = {}
    for place, one in bounds.items():
        known = marks.get(place, ())
        signed = known[-1].head.next_offset if known else one.begin
        found[place] = Counted(Reading(place, known, kept, one.begin), max(0, one.end - max(signed, one.begin)))
        ranges[place] = (one.begin, min(signed, one.end))
    for batch in reader.read(ranges):
        for message in batch:
            counted = found[message.topic, message.partition]
            counted.reading.take(Entry.of(message))
            counted.records += 1
    for place, counted in found.items():
        counted.reading.end(bounds[place].end)
    return list(found.values())


def kept_in(directory: Directory) -> Kept:
    """What a folder has beside its notes."""

    def kept(number: int, place: Place) -> Sequence[Entry] | None:
        """The entries of a partition; none where the checkpoint added none."""
        trees = directory.leaves(number)
        if trees is None:
            return None
        return trees[place].added if place in trees else ()

    return kept


def other_cluster(chain: Chain, cluster: str) -> list[Finding]:
    """Whether the checkpoints are about another cluster than the one that is read."""
    newest = chain.newest
    if newest is None or newest.cluster == cluster:
        return []
    message = f"checkpoint {newest.number} is about cluster {newest.cluster}, and this is cluster {cluster}"
    return [Finding("OTHER_CLUSTER", f"checkpoint {newest.number}", message)]


def gone(place: Place, marks: Sequence[Mark]) -> Finding:
    """A partition that is not there any more."""
    topic, partition = place
    mark = marks[-1]
    message = f"{topic}, partition {partition}: it is not there, and checkpoint {mark.number} has {mark.head.size} records of it"
    return Finding("NO_PARTITION", f"{topic}:{partition}:0", message)
