"""The course of a plan: what its events said so far, as few plain values as the rules need."""

from __future__ import annotations

from typing import Any

from motet.audit.stored import Stored


class Course:
    """One plan, from its admission on."""

    __slots__ = (
        *(
            "admitted",
            "approved",
            "asked",
            "barrier",
            "calls",
            "committed",
            "compensates",
            "ended",
            "finished",
            "guarded",
        ),
        *(
            "last_run",
            "late",
            "owner",
            "plan_id",
            "remaining",
            "settled",
            "skipped",
            "started",
            "terms",
            "under",
            "undoing",
            "undone",
        ),
    )

    def __init__(self, record: Stored) -> None:
        data, meta = record.data, record.meta
        self.plan_id: str = data["plan_id"]
        self.owner: tuple[str, str] = (meta["tenant"], meta["domain"])
        self.admitted = record
        self.calls: list[dict[str, Any]] = data["calls"]
        # Strategy, rules and workflow; and what its events are to say of these and of contracts, once one of them says something.
        self.terms: tuple[str, int, str | None] = (data["mode"], data["rules"], data["workflow"])
        self.under = ""
        self.compensates: bool = data["policy"]["on_failure"] == "COMPENSATE"
        # Calls in the order in which they were committed: index to its place, its outcome and its record.
        self.committed: dict[int, tuple[int, dict[str, Any], Stored]] = {}
        self.started: set[int] = set()
        # Results that tool services said, by key; what people found out, by index.
        self.finished: dict[str, str | None] = {}
        self.settled: set[int] = set()
        # SHA-256 of the arguments that a person was asked about, and that were approved, by index.
        self.asked: dict[int, str] = {}
        self.approved: dict[int, str] = {}
        # Calls that need an approval and were sent to run: the record, the index, the digest of the arguments.
        self.guarded: list[tuple[Stored, int, str]] = []
        # The barrier, and the latest record that sent a call to run.
        self.barrier: Stored | None = None
        self.last_run: Stored | None = None
        # Compensations: which are going on, which are done, which a person did by hand, and which came late into the line.
        self.undoing: int | None = None
        self.undone: list[int] = []
        self.skipped: set[int] = set()
        self.late: set[int] = set()
        self.ended: Stored | None = None
        self.remaining: list[int] = []


def apply(course: Course, record: Stored) -> None:
    """What a record says of a plan, once the rules have looked at it."""
    step = STEPS.get(record.kind)
    if step is not None:
        step(course, record)


def committed(course: Course, record: Stored) -> None:
    """Calls took their places."""
    for call in record.data["calls"]:
        course.committed.setdefault(call["index"], (len(course.committed), call, record))


def attempts_ended(course: Course, record: Stored) -> None:
    """What came too late may still have to be undone."""
    for attempt in record.data["attempts"]:
        if attempt["late"] and not attempt["compensation"]:
            course.late.add(attempt["index"])
        if attempt["compensation"] and attempt["next"] == "NONE" and course.undoing == attempt["index"]:
            course.undoing = None


def settled(course: Course, record: Stored) -> None:
    """Somebody found out what became of a call."""
    data = record.data
    if data["compensation"]:
        if data["finding"] == "HAPPENED" and data["index"] not in course.undone:
            course.undone.append(data["index"])
        return
    course.settled.add(data["index"])
    course.late.add(data["index"])


def finished(course: Course, record: Stored) -> None:
    """A tool service says how calls ended."""
    for call in record.data["calls"]:
        if call["outcome"] == "SUCCEEDED":
            course.finished[call["key"]] = call["result"]


def compensation_ended(course: Course, record: Stored) -> None:
    """One compensation has its end."""
    course.undoing = None
    index = record.data["index"]
    if record.data["outcome"] == "SUCCEEDED" and index not in course.undone:
        course.undone.append(index)


def resumed(course: Course, record: Stored) -> None:
    """A person says what was undone by hand."""
    course.undoing = None
    course.skipped.update(record.data["skipped"])


def invoked(course: Course, record: Stored) -> None:
    """Calls were sent to run."""
    runs = any(call["mode"] == "RUN" and call["index"] < len(course.calls) for call in record.data["calls"])
    if runs and (course.last_run is None or record.hlc > course.last_run.hlc):
        course.last_run = record


def barrier(course: Course, record: Stored) -> None:
    """Nothing starts any more."""
    course.barrier = course.barrier or record


def ended(course: Course, record: Stored) -> None:
    """The terminal event."""
    course.ended, course.remaining = record, record.data["remaining"]


STEPS = {
    "CallsStarted": lambda course, record: course.started.update(record.data["indexes"]),
    "CallsCommitted": committed,
    "CallsFinished": finished,
    "AttemptsEnded": attempts_ended,
    "CallSettled": settled,
    "ApprovalRequested": lambda course, record: course.asked.update(
        {record.data["index"]: record.data["arguments_sha256"]}
    ),
    "ApprovalDecided": lambda course, record: (
        course.approved.update({record.data["index"]: record.data["arguments_sha256"]})
        if record.data["decision"] == "APPROVED"
        else None
    ),
    "BarrierRaised": barrier,
    "InvokeCalls": invoked,
    "CompensationStarted": lambda course, record: setattr(course, "undoing", record.data["index"]),
    "CompensationEnded": compensation_ended,
    "CompensationResumed": resumed,
    "PlanEnded": ended,
}
