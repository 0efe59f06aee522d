"""An audit of a whole log: partition number by partition number, with a second reading where a cause is old."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from motet.audit.auditor import Auditor
from motet.audit.finding import Finding
from motet.audit.ledger import REPORTS, Ledger, Ledgers
from motet.audit.merging import Merge
from motet.audit.topics import Kept, kept
from motet.chassis.errors import Undecodable
from motet.chassis.provision import catalog, entry

if TYPE_CHECKING:
    from motet.chassis.codec import Codec
    from motet.chassis.log_reader import Bounds, Log
    from motet.chassis.offsets import Place

# Findings that are kept whole; beyond, they are counted.
KEPT: Final = 1_000
# So many offsets in a row may have no record: compaction and transactions leave gaps.
GAP: Final = 100
# A record of ours begins with a zero byte, four of its schema's id and the length of its event id.
ID_AT: Final = slice(6, 38)
# Records between two words about how far it is.
EVERY: Final = 10_000


@dataclass(slots=True)
class RuleCount:
    """How often a rule was looked at, and broken."""

    name: str
    fact: str
    checked: int = 0
    violations: int = 0


@dataclass(slots=True)
class Audit:
    """What an audit found. `left_out` says in sentences what was not checked, and why."""

    events: int = 0
    seconds: float = 0.0
    violations: int = 0
    open_plans: int = 0
    open_commands: int = 0
    repeats: int = 0
    rules: dict[str, RuleCount] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def events_per_second(self) -> int:
        """Records of all topics by the time that reading and checking them took."""
        return round(self.events / self.seconds) if self.seconds else 0

    @property
    def first(self) -> Finding | None:
        """The first bad record, by the time at which it was appended."""
        return min(self.findings, key=lambda one: (one.timestamp_ms, one.topic, one.offset), default=None)

    def take(self, finding: Finding) -> None:
        """One more finding."""
        self.violations += 1
        self.rules[finding.rule].violations += 1
        if len(self.findings) < KEPT:
            self.findings.append(finding)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "events": self.events,
            "violations": self.violations,
            "events_per_second": self.events_per_second,
            "seconds": round(self.seconds, 3),
            "open_plans": self.open_plans,
            "open_commands": self.open_commands,
            "repeats": self.repeats,
            "rules": {one.name: {"checked": one.checked, "violations": one.violations} for one in self.rules.values()},
            "first": None if self.first is None else self.first.as_json(),
            "findings": [one.as_json() for one in self.findings],
            "not_checked": self.left_out,
        }


@dataclass(frozen=True, slots=True)
class Span:
    """What is read of a partition number, up to where it is judged, and the ends of everything."""

    ranges: Mapping[Place, tuple[int, int]]
    # The time of the last record that is not read, in milliseconds since 1970; 0 if everything is that is there.
    since: int
    judged: Mapping[Place, Bounds]
    known: Mapping[Place, Bounds]

    def end_of(self, topic: str, partition: int) -> int | None:
        """The end of a topic's partition; None if there is none such."""
        bounds = self.known.get((topic, partition))
        return None if bounds is None else bounds.end


class NumberAudit:
    """One partition number of a log."""

    def __init__(
        self, done: Audit, codec: Codec, topics: Mapping[str, Kept], span: Span, number: int, ledgers: Ledgers | None
    ) -> None:
        self.done = done
        self.number, self.ledgers = number, ledgers
        self.ledger = ledger = None if ledgers is None else Ledger(done.take, *ledgers.rows(number))
        self.span = span
        self.auditor = Auditor(codec.datum, topics, catalog()[0], span.end_of, self.found)
        self.auditor.begins({topic: start for (topic, _), (start, _) in span.ranges.items() if start}, span.since)
        if ledger is not None:
            # Its rows were read after the ends of the log were asked: what is judged had its row before it was published.
            ledger.partial = any(start for (topic, _), (start, _) in span.ranges.items() if topic in REPORTS)
            if ledger.partial:
                done.left_out.append(
                    f"what ledgers have of partition number {number} and the log may have had before it was deleted"
                )
            self.auditor.compare_with(ledger)
        for rule in self.auditor.rules:
            done.rules.setdefault(rule.name, RuleCount(rule.name, (type(rule).__doc__ or "").strip()))

    def found(self, finding: Finding) -> None:
        """What the rules find. A record that came while this audit asked for ends is judged by the next one: its cause may not be read."""
        if finding.offset < self.span.judged[finding.topic, finding.partition].end:
            self.done.take(finding)

    def run(self, log: Log, topics: Mapping[str, Kept], read: Callable[[int], None]) -> None:
        """Reads and checks."""
        auditor = self.auditor
        take = auditor.take
        for message in Merge(log, self.span.ranges, lambda topic: topics[topic].rank):
            take(message)
            if not auditor.events % EVERY:
                read(auditor.events)
        read(auditor.events)
        self.resolve(log, auditor)
        if self.ledger is not None and self.ledgers is not None:
            self.settle(log, self.ledger, self.ledgers)
        auditor.end()
        self.count(auditor)

    def resolve(self, log: Log, auditor: Auditor) -> None:
        """A second reading, for causes that are older than what is remembered."""
        wanted = auditor.causes.unresolved
        if not wanted:
            return
        for batch in log.read(self.span.ranges):
            for message in batch:
                event_id = (message.value or b"")[ID_AT].decode("latin-1")
                if event_id in wanted:
                    auditor.know_again(message)
                    if not wanted:
                        return

    def settle(self, log: Log, ledger: Ledger, ledgers: Ledgers) -> None:
        """What came into a ledger since is reported behind what was read, or is in an outbox, which is asked first."""
        for value in ledgers.outboxes(self.number) if ledger.unreported else ():
            self.heard(value)
        places = [place for place in self.span.ranges if place[0] in REPORTS]
        now = log.bounds(places) if ledger.unreported else {}
        behind = {place: (self.span.ranges[place][1], bounds.end) for place, bounds in now.items()}
        for batch in log.read(behind) if behind else ():
            for message in batch:
                self.heard(message.value)
        ledger.settle()

    def heard(self, value: bytes | None) -> None:
        """A report that is not judged."""
        with suppress(Undecodable):
            if self.ledger is not None:
                self.ledger.late(self.auditor.decode(value)[1])

    def count(self, auditor: Auditor) -> None:
        """Adds what was looked at."""
        done = self.done
        done.events += auditor.events
        done.open_plans += len(auditor.courses)
        done.open_commands += len(auditor.commands.open)
        done.repeats += auditor.lanes.repeats
        for rule in auditor.rules:
            done.rules[rule.name].checked += rule.checked
        if auditor.lanes.not_compared:
            done.left_out.append(f"the bytes of {auditor.lanes.not_compared} repeats that came long after the first")
        if auditor.causes.left_out:
            done.left_out.append(f"{auditor.causes.left_out} causes that are older than what is remembered")


def audit(
    log: Log,
    codec: Codec,
    report: Callable[[int, int], None],
    starts: Mapping[Place, int] = MappingProxyType({}),
    ledgers: Ledgers | None = None,
) -> Audit:
    """Reads everything that the log has now and checks it; `report` is told how many records were read, and of how many.

    With `ledgers` those of tool services are compared as well; what is not read of the log is not looked for in them, nor they in it.
    Of partitions in `starts` what stands below an offset is not read; plans that were admitted before the last such record are not judged.
    """
    began = time.monotonic()
    # Nothing here refers to itself, so reference counts free everything; looking for cycles among millions of values would cost a third.
    collects = gc.isenabled()
    gc.disable()
    try:
        done = audited(log, codec, report, starts, ledgers)
    finally:
        if collects:
            gc.enable()
    done.seconds = time.monotonic() - began
    return done


def audited(
    log: Log,
    codec: Codec,
    report: Callable[[int, int], None],
    starts: Mapping[Place, int],
    ledgers: Ledgers | None,
) -> Audit:
    """The same, without its time."""
    done = Audit()
    places = log.places()[1]
    topics = {topic: kept_of(topic) for topic, _ in places}
    # Ends are asked one after the other, so an effect may be below its end while its cause is not: what is read ends after what is judged.
    judged = log.bounds(places)
    known = log.bounds(places)
    begins = {place: min(max(one.begin, starts.get(place, 0)), one.end) for place, one in known.items()}
    since = time_before(log, {place: (known[place].begin, at) for place, at in begins.items()})
    total = sum(one.end - begins[place] for place, one in known.items())
    for number in sorted({place[1] for place in places}):
        ranges = {place: (begins[place], known[place].end) for place in places if place[1] == number}
        before = done.events
        one = NumberAudit(done, codec, topics, Span(ranges, since, judged, known), number, ledgers)
        one.run(log, topics, lambda read, before=before: report(before + read, total))  # type: ignore[misc]
    if ledgers is None:
        done.left_out.append(
            "whether the ledgers of tool services have the same effects: they are tables, which --ledgers reads as well"
        )
    truncated = sorted(f"{topic}:{number}" for (topic, number), one in known.items() if one.begin)
    if truncated:
        done.left_out.append(
            f"what stood before the first records of {', '.join(truncated)}: it was deleted from the log"
        )
    return done


def time_before(log: Log, ranges: Mapping[Place, tuple[int, int]]) -> int:
    """The time of the latest record in ranges of offsets, in milliseconds since 1970; 0 if there is none."""
    last = {place: (max(begin, end - GAP), end) for place, (begin, end) in ranges.items() if begin < end}
    return max((one.timestamp_ms for batch in log.read(last) for one in batch), default=0)


def kept_of(topic: str) -> Kept:
    """What the topics file says of a topic."""
    found = entry(topic)
    return kept(topic, door=found.kind == "door", records=frozenset(found.records))
