"""The audit of one partition number: every topic's records of that number, in the order of their times.

Everything that shares a key shares the number, so nothing is kept from one to the next. What is kept within one is bounded: open plans, some
that just ended, the ends of lanes, the last events by name.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

from motet.audit.answered import Commands
from motet.audit.approvals import Approvals
from motet.audit.barriers import Barriers
from motet.audit.causes import Causes, Ends
from motet.audit.compensations import Compensations
from motet.audit.contracts import Contracts
from motet.audit.conversations import Conversations
from motet.audit.course import Course, apply
from motet.audit.decided import Decided
from motet.audit.decoding import Decoding
from motet.audit.effects import Effects
from motet.audit.ends import Ends as PlanEnds
from motet.audit.fencing import Fencing
from motet.audit.history import History
from motet.audit.lanes import Lanes
from motet.audit.ledger import Ledger
from motet.audit.rule import Found, Rule
from motet.audit.stored import Stored
from motet.audit.tenants import Tenants
from motet.audit.topics import Kept
from motet.chassis.decided_by import found as found_in
from motet.chassis.errors import Undecodable
from motet.chassis.lanes import packed
from motet.chassis.message import Message

# Plans that ended and of which something late may still come: an attempt's end, a compensation.
ENDED: Final = 1_000
# Plans of which a topic told something before their admission was told on another: what a hop publishes reaches its partitions one by one.
EARLY: Final = 1_000
# What may come before an admission: it stands on other topics, and what follows from it is looked at with the plan.
OVERTAKING: Final = frozenset({"InvokeCalls", "CallsFinished"})
# Records that are followed without a plan.
ALONE: Final = frozenset({"PlanAdmitted", "DeadLetter"})
EVENTS: Final = "motet.events"
# Where commands are answered.
ANSWERING: Final = frozenset({EVENTS, "motet.leases", "motet.agents"})

Decode = Callable[[bytes | None], tuple[Any, dict[str, Any]]]


class Auditor:
    """Folds over the records of one partition number."""

    def __init__(self, decode: Decode, topics: Mapping[str, Kept], partitions: int, ends: Ends, found: Found) -> None:
        self.decode = decode
        self.topics = topics
        self.ledger: Ledger | None = None
        self.events = 0
        self.since = 0
        self.courses: dict[str, Course] = {}
        self.ended: OrderedDict[str, Course] = OrderedDict()
        # Plans that ended and were not undone as they should be, or are in doubt: people go on with them, whenever they will.
        self.unsettled: dict[str, Course] = {}
        self.early: OrderedDict[str, list[Stored]] = OrderedDict()
        # Names of types that were seen on a topic that is for them.
        self.names: dict[tuple[str, Any], str] = {}
        self.decoding = Decoding(found)
        self.lanes = Lanes(found)
        self.causes = Causes(found, ends)
        self.commands = Commands(found, partitions)
        self.tenants = Tenants(found, partitions)
        self.decided = Decided(found)
        self.approvals = Approvals(found)
        self.effects = Effects(found)
        self.plans = PlanEnds(found)
        self.contracts = Contracts(found)
        deciding = (
            *(self.plans, History(found), Barriers(found), Compensations(found), Fencing(found), self.contracts),
            Conversations(found),
        )
        self.rules: tuple[Rule, ...] = (
            *(self.decoding, self.lanes, self.lanes.chain, self.causes, self.commands, *deciding[:2], self.effects),
            *(*deciding[2:], self.approvals, self.tenants, self.decided),
        )
        self.hears: dict[str, list[Callable[[Stored], None]]] = {}
        for rule in deciding:
            for kind, hear in rule.hears().items():
                self.hears.setdefault(kind, []).append(hear)
        self.hears.setdefault("InvokeCalls", []).append(self.approvals.ran)

    def compare_with(self, rule: Ledger) -> None:
        """One more rule: the ledgers of tool services are there as well."""
        self.rules = (*self.rules, rule)
        self.ledger = rule
        for kind, hear in rule.hears().items():
            self.hears.setdefault(kind, []).append(hear)

    def take(self, message: Message) -> None:
        """The next record."""
        self.events += 1
        kept = self.topics[message.topic]
        record = Stored(message)
        self.causes.passed(record)
        if not kept.door and not self.lanes.take(record, packed(message.headers)):
            return
        try:
            kind, record.data = self.decode(message.value)
        except Undecodable as error:
            self.decoding.undecodable(record, f"{error.code}: {error}", door=kept.door)
            return
        self.decoding.checked += 1
        name = self.names.get((message.topic, kind))
        if name is None:
            record.kind = name = kind.FULL_NAME.rpartition(".")[2]
            if not self.decoding.fits(record, kind.FULL_NAME, kept):
                return
            self.names[message.topic, kind] = name
        record.kind = name
        meta = record.data.get("meta")
        if meta is None:
            self.command(record)
        else:
            record.meta, record.hlc, record.cause = meta, meta["hlc"], meta["causation_id"]
            self.fact(record, kept, found_in(message.headers) if message.topic == EVENTS else None)

    def begins(self, starts: Mapping[str, int], since: int) -> None:
        """Topics of which the records below an offset are not read, the last of them of a time: what was said there is not missed."""
        self.lanes.truncated = frozenset(starts)
        self.causes.begin(starts)
        self.plans.partial = self.contracts.partial = bool(starts)
        self.since = since
        for rule in self.rules:
            rule.since = since

    def know_again(self, message: Message) -> None:
        """A second reading found a record that may be a cause."""
        try:
            meta = self.decode(message.value)[1].get("meta")
        except Undecodable:
            return
        if meta is not None:
            self.causes.resolve(meta["event_id"], meta["hlc"])

    def command(self, record: Stored) -> None:
        """What a client wrote."""
        self.commands.asked(record)
        self.approvals.commanded(record)

    def fact(self, record: Stored, kept: Kept, header: str | None) -> None:
        """What a service wrote; `header` is what an event says of how it was decided."""
        self.causes.take(record)
        self.causes.know(record)
        plan_id = record.data.get("plan_id")
        if plan_id:
            record.plan_id = plan_id
            record.course = self.courses.get(plan_id) or self.ended.get(plan_id) or self.unsettled.get(plan_id)
        if kept.keyed:
            self.tenants.take(record)
        command = None
        if record.topic in ANSWERING and ":" in record.cause:
            command = self.commands.answered(record)
        if record.kind == "ApprovalDecided":
            self.approvals.decided(record, command)
        if self.ledger is not None and record.kind == "CallsFinished":
            self.ledger.report(record)
        if plan_id and record.course is None and record.kind in OVERTAKING:
            self.keep(record)
            return
        self.heed(record)
        if header is not None and record.course is not None:
            self.decided.take(record, record.course, header)
        # A decision may wait for its command, and is looked at with its plan.
        if record.kind != "ApprovalDecided":
            record.forget()

    def heed(self, record: Stored) -> None:
        """What the rules say of a record, and what it changes."""
        for hear in self.hears.get(record.kind, ()):
            hear(record)
        if record.course is not None or record.kind in ALONE:
            self.follow(record)

    def keep(self, record: Stored) -> None:
        """A record waits for its plan's admission; of plans that never come the oldest are forgotten."""
        self.early.setdefault(record.plan_id, []).append(record)
        if len(self.early) > EARLY:
            self.early.popitem(last=False)

    def follow(self, record: Stored) -> None:
        """What a record changes for those behind it."""
        if record.kind == "PlanAdmitted":
            # Of an older plan something may have been said that was not read: it is not judged.
            if record.timestamp_ms > self.since:
                self.admit(record)
        elif record.kind == "DeadLetter":
            self.bury(record)
        elif record.course is not None:
            apply(record.course, record)
            if record.kind == "PlanEnded":
                self.end_plan(record.course)

    def bury(self, letter: Stored) -> None:
        """A dead letter says that a record could not be handled."""
        data = letter.data
        where = f"{data['topic']}:{data['partition']}:{data['offset']}"
        self.decoding.bury(where)
        self.commands.buried(letter, where)

    def admit(self, record: Stored) -> None:
        """A plan begins; what is known of one of the same name is over."""
        plan_id = record.plan_id
        for known in (self.courses, self.ended, self.unsettled):
            course = known.pop(plan_id, None)
            if course is not None:
                self.close(course)
        record.course = course = self.courses[plan_id] = Course(record)
        for early in self.early.pop(plan_id, ()):
            early.course = course
            self.heed(early)
            early.forget()

    def end_plan(self, course: Course) -> None:
        """A plan has its terminal event: it is kept for a while, for what comes late."""
        if self.courses.pop(course.plan_id, None) is None:
            return
        if course.remaining:
            self.unsettled[course.plan_id] = course
            return
        self.ended[course.plan_id] = course
        if len(self.ended) > ENDED:
            self.close(self.ended.popitem(last=False)[1])

    def close(self, course: Course) -> None:
        """Nothing more is said of a plan."""
        self.effects.close(course)
        self.approvals.close(course)

    def end(self) -> None:
        """There are no more records."""
        for courses in (self.ended, self.unsettled, self.courses):
            for course in courses.values():
                self.close(course)
        for rule in self.rules:
            rule.end()
