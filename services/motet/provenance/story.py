"""What a plan's records say, put together: who asked, what ran and when, what it used, what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from motet.plan.arguments import references
from motet.records import (
    ApprovalDecided,
    CallsCommitted,
    CallSettled,
    CallsLinedUp,
    CallsStarted,
    Claim,
    CompensationEnded,
    CompensationStarted,
    Failure,
    PlanAdmitted,
    PlanEnded,
)

READ: Final = "READ"


@dataclass(slots=True)
class Run:
    """A call that ran, or what undid one. Times are milliseconds since 1970, when Kafka had what led to it; None: not yet, or never."""

    index: int
    call_id: str
    tool: str
    contract_version: int
    arguments_sha256: str
    claims: tuple[Claim, ...]
    # Calls by index that it waited for, and those whose results are in its arguments.
    after: tuple[int, ...] = ()
    takes: tuple[int, ...] = ()
    started: int | None = None
    ended: int | None = None
    outcome: str = "OPEN"
    result_sha256: str | None = None
    key: str = ""
    error: str | None = None
    undoes: bool = False

    @property
    def name(self) -> str:
        """Its name within the plan."""
        return f"{self.call_id}-undone" if self.undoes else self.call_id

    @property
    def acted(self) -> bool:
        """Whether it did what it was asked for."""
        return self.outcome == "SUCCEEDED"

    def end(self, when: int, outcome: str, error: Failure | None) -> None:
        """It ended, and how."""
        self.ended, self.outcome = when, outcome
        self.error = None if error is None else f"{error.code}: {error.message}"

    def resources(self, *, read: bool) -> list[str]:
        """What it only reads, or what it changes."""
        return sorted({claim.resource for claim in self.claims if (claim.mode == READ) == read})


@dataclass(slots=True)
class Story:
    """A plan and its runs, in call order, compensations behind them."""

    admitted: PlanAdmitted
    ended: PlanEnded | None = None
    runs: dict[tuple[int, bool], Run] = field(default_factory=dict)
    # What people said of its calls.
    people: list[ApprovalDecided | CallSettled] = field(default_factory=list)

    @property
    def plan_id(self) -> str:
        """The plan."""
        return self.admitted.plan_id

    def take(self, record: Any) -> None:
        """A further record of the plan; what says nothing of these is passed over."""
        take = TAKES.get(type(record))
        if take is not None:
            take(self, record)

    def started(self, record: CallsStarted) -> None:
        """Calls were sent; a later attempt is the same run."""
        for index in record.indexes:
            run = self.runs[index, False]
            run.started = run.started or record.meta.recorded_at

    def lined_up(self, record: CallsLinedUp) -> None:
        """What calls use is known only now."""
        for call in record.calls:
            if (call.index, call.compensation) in self.runs:
                self.runs[call.index, call.compensation].claims = call.claims

    def committed(self, record: CallsCommitted) -> None:
        """Calls took their place in the history."""
        for one in record.calls:
            run = self.runs[one.index, False]
            run.key, run.result_sha256 = one.key, one.result_sha256
            run.arguments_sha256 = one.arguments_sha256 or run.arguments_sha256
            run.end(record.meta.recorded_at, one.outcome, one.error)

    def undo(self, record: CompensationStarted) -> None:
        """A call is undone, on what it used; a later attempt is the same run."""
        undone = self.runs[record.index, False]
        about = (undone.call_id, record.tool, record.contract_version, record.arguments_sha256, undone.claims)
        run = Run(record.index, *about, started=record.meta.recorded_at, key=record.key, undoes=True)
        self.runs.setdefault((record.index, True), run)

    def undone(self, record: CompensationEnded) -> None:
        """What undid a call ended."""
        self.runs[record.index, True].end(record.meta.recorded_at, record.outcome, record.error)

    def decided(self, record: ApprovalDecided | CallSettled) -> None:
        """Somebody said what is to be, or what was."""
        self.people.append(record)

    def end(self, record: PlanEnded) -> None:
        """The plan ended."""
        self.ended = record

    def in_order(self) -> list[Run]:
        """Calls in call order, then what undid them."""
        return [run for _, run in sorted(self.runs.items(), key=lambda one: (one[0][1], one[0][0]))]


TAKES: Final[dict[type, Callable[[Story, Any], None]]] = {
    CallsStarted: Story.started,
    CallsLinedUp: Story.lined_up,
    CallsCommitted: Story.committed,
    CompensationStarted: Story.undo,
    CompensationEnded: Story.undone,
    ApprovalDecided: Story.decided,
    CallSettled: Story.decided,
    PlanEnded: Story.end,
}


def story(records: Iterable[Any]) -> Story | None:
    """The story of the records of one plan, in the order of their clocks; None where its admission is not among them."""
    found: Story | None = None
    for record in sorted(records, key=lambda one: one.meta.hlc):
        if isinstance(record, PlanAdmitted):
            found = Story(record, runs=calls_of(record))
        elif found is not None:
            found.take(record)
    return found


def calls_of(record: PlanAdmitted) -> dict[tuple[int, bool], Run]:
    """A plan's calls before anything ran."""
    index_of = {call.call_id: index for index, call in enumerate(record.calls)}
    runs = {}
    for index, call in enumerate(record.calls):
        taken = sorted(
            {index_of[one.call_id] for one in references(json.loads(call.arguments)) if one.call_id in index_of}
        )
        runs[index, False] = Run(
            *(index, call.call_id, call.tool, call.contract_version, call.arguments_sha256, call.claims),
            *(tuple(sorted({*call.after} - {*taken})), tuple(taken)),
        )
    return runs


def at(milliseconds: int) -> str:
    """Milliseconds since 1970 as ISO 8601 in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
