"""The final read: what the topics say of a run, from the offsets at which it began."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

from motet.chaos.stage import Stage
from motet.chassis.codec import Codec
from motet.chassis.errors import Undecodable
from motet.chassis.log_reader import LogReader
from motet.chassis.message import Message
from motet.chassis.offsets import Place
from motet.records import (
    CallsCommitted,
    Command,
    CompensationEnded,
    CompensationStarted,
    PlanAdmitted,
    PlanEnded,
    PlanRejected,
)

CANARY: Final = re.compile(rb"canary<([^>]*)>")
EVENTS: Final = "motet.events"


@dataclass(frozen=True, slots=True)
class Ended:
    """A call's committed end, or that of what undid one."""

    plan_id: str
    tenant: str
    index: int
    tool: str
    key: str
    outcome: str
    result: str | None


@dataclass(slots=True)
class Facts:
    """What the events say, repeats dropped by the id of the event."""

    admitted: dict[str, PlanAdmitted] = field(default_factory=dict)
    # Terminal events of each plan, by event id; and how each says that it ended.
    ends: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    calls: dict[tuple[str, int], Ended] = field(default_factory=dict)
    undone: dict[tuple[str, int], Ended] = field(default_factory=dict)
    undoing: dict[tuple[str, int], CompensationStarted] = field(default_factory=dict)
    # Where a tenant's canary stood that had no business there.
    strayed: list[str] = field(default_factory=list)
    records: int = 0

    def take(self, record: Any) -> None:
        """One event."""
        meta = record.meta
        if isinstance(record, PlanAdmitted):
            self.admitted[record.plan_id] = record
        elif isinstance(record, PlanRejected):
            self.ends[record.plan_id][meta.event_id] = "REJECTED"
        elif isinstance(record, PlanEnded):
            self.ends[record.plan_id][meta.event_id] = record.outcome
        elif isinstance(record, CallsCommitted):
            for one in record.calls:
                tool = self.admitted[record.plan_id].calls[one.index].tool
                about = (record.plan_id, meta.tenant, one.index, tool, one.key, one.outcome, one.result)
                self.calls.setdefault((record.plan_id, one.index), Ended(*about))
        elif isinstance(record, CompensationStarted):
            self.undoing[record.plan_id, record.index] = record
        elif isinstance(record, CompensationEnded):
            begun = self.undoing[record.plan_id, record.index]
            about = (record.plan_id, meta.tenant, record.index, begun.tool, begun.key, record.outcome, None)
            self.undone[record.plan_id, record.index] = Ended(*about)

    def look(self, message: Message) -> None:
        """Whose canary is in a record: a key says whose record it is."""
        for found in CANARY.finditer(message.value or b""):
            tenant = found[1]
            if not (message.key or b"").startswith(tenant + b"/"):
                self.strayed.append(f"{message.where} with key {message.key!r} has the canary of {tenant.decode()}")
                return


def starts(stage: Stage) -> dict[Place, int]:
    """Where every partition ends now: where a run begins."""
    with closing(LogReader(stage.addresses.kafka)) as log:
        return {place: one.end for place, one in log.bounds(log.places()[1]).items()}


def read(stage: Stage, codec: Codec, since: Mapping[Place, int], tenants: Iterable[str]) -> Facts:
    """Everything since then of some tenants. Raises LogUnreadable, RegistryUnavailable."""
    facts, ours = Facts(), frozenset(tenants)
    with closing(LogReader(stage.addresses.kafka)) as log:
        bounds = log.bounds(log.places()[1])
        ranges = {place: (since.get(place, 0), one.end) for place, one in bounds.items()}
        for batch in log.read(ranges):
            for message in batch:
                facts.records += 1
                facts.look(message)
                if message.topic != EVENTS:
                    continue
                try:
                    record = codec.decode(message.value)
                except Undecodable:
                    continue
                if not isinstance(record, Command) and record.meta.tenant in ours:
                    facts.take(record)
    return facts


def transfer_of(admitted: PlanAdmitted, index: int) -> dict[str, Any]:
    """The arguments of a call."""
    found: dict[str, Any] = json.loads(admitted.calls[index].arguments)
    return found
