"""What the deciders decide, as records: each step becomes the facts that say it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from motet.chassis.hop import Hop
from motet.chassis.identity import domain_key
from motet.hosting import under
from motet.plan import Committed, Ended, Fact, Limits, Plan, Reservation, Started, Step, Stopped, Undoing, Word
from motet.records import (
    CallsCommitted,
    CallsStarted,
    CommittedCall,
    CompensationStarted,
    GiveBackLeases,
    Invocation,
    InvokeCalls,
    Meta,
    PlanEnded,
    QuarantineResources,
    Record,
    ReleaseResources,
    ReserveResources,
    ResourcesGranted,
    ResourcesRefused,
    StopCalls,
    StoppedCall,
    TakeLeases,
)

EVENTS: Final = "motet.events"
REQUESTS: Final = "motet.requests"
GRANTS: Final = "motet.grants"
LEASE_REQUESTS: Final = "motet.lease-requests"
LEASE_GRANTS: Final = "motet.lease-grants"
# Where another service hears a word.
WORDS: Final[dict[Any, str]] = {
    ReserveResources: REQUESTS,
    QuarantineResources: REQUESTS,
    ReleaseResources: REQUESTS,
    ResourcesGranted: GRANTS,
    ResourcesRefused: GRANTS,
    TakeLeases: LEASE_REQUESTS,
    GiveBackLeases: LEASE_REQUESTS,
}
# A record stays well below its topic's limit; what is larger goes out in several.
CHUNK_CHARACTERS: Final = 400_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cause:
    """What led to the facts: the id of the record that was taken, and its time in the log."""

    event_id: str
    timestamp_ms: int


class Telling:
    """Turns the steps of one input into facts. `ended` is told of each plan's terminal event."""

    def __init__(self, hop: Hop, limits: Limits, cause: Cause, ended: Callable[[Plan, PlanEnded], None]) -> None:
        self.hop = hop
        self.limits = limits
        self.cause = cause
        self.ended = ended

    def tell(self, steps: Sequence[Step]) -> None:
        """Emits the facts, in order."""
        for step in steps:
            if isinstance(step, Word):
                key = None if step.scope is None else domain_key(step.plan.tenant, step.scope)
                self.hop.emit(WORDS[step.record.func], step.record(meta=self.meta(step.plan)), key)
                continue
            plan = step.plan
            match step:
                case Started(invocations=invocations):
                    self.start(plan, invocations)
                case Committed(calls=calls):
                    self.commit(plan, calls)
                case Ended():
                    self.end(plan)
                case Fact(record=record):
                    self.say(plan, record(meta=self.meta(plan)))
                case Stopped(calls=stopped, reason=reason):
                    self.stop(plan, stopped, reason)
                case Undoing():
                    self.undo(plan, step)

    def start(self, plan: Plan, invocations: Sequence[Invocation]) -> None:
        """Attempts begin: says so, and sends each toolset its part."""
        indexes = tuple(call.index for call in invocations)
        attempts = tuple(call.attempt for call in invocations)
        first = all(attempt == 1 for attempt in attempts)
        self.say(plan, CallsStarted(self.meta(plan), plan.plan_id, indexes, () if first else attempts))
        by_toolset: dict[str, list[Invocation]] = {}
        for call in invocations:
            by_toolset.setdefault(toolset_of(call), []).append(call)
        for toolset, calls in by_toolset.items():
            for chunk in chunks(calls, lambda call: len(call.arguments)):
                self.invoke(plan, toolset, chunk)

    def invoke(self, plan: Plan, toolset: str, calls: Sequence[Invocation]) -> None:
        """Calls for one toolset."""
        meta = self.meta(plan)
        self.hop.emit(f"motet.invocations.{toolset}", InvokeCalls(meta, plan.plan_id, plan.agent, tuple(calls)))

    def undo(self, plan: Plan, step: Undoing) -> None:
        """A compensation's attempt begins."""
        call = step.invocation
        self.say(
            plan,
            CompensationStarted(
                self.meta(plan),
                plan.plan_id,
                step.index,
                call.tool,
                call.contract_version,
                call.arguments,
                step.arguments_sha256,
                call.key,
                call.attempt,
            ),
        )
        self.invoke(plan, toolset_of(call), [call])

    def stop(self, plan: Plan, calls: Sequence[tuple[str, StoppedCall]], reason: str) -> None:
        """Running calls are told."""
        by_toolset: dict[str, list[StoppedCall]] = {}
        for toolset, call in calls:
            by_toolset.setdefault(toolset, []).append(call)
        for toolset, stopped in by_toolset.items():
            meta = self.meta(plan)
            self.hop.emit(f"motet.invocations.{toolset}", StopCalls(meta, plan.plan_id, tuple(stopped), reason))

    def commit(self, plan: Plan, calls: Sequence[CommittedCall]) -> None:
        """Calls took their place in the plan's history."""
        for chunk in chunks(list(calls), lambda call: len(call.result or "")):
            meta = self.meta(plan)
            self.say(plan, CallsCommitted(meta, plan.plan_id, tuple(chunk)))
            plan.committed_in.update({call.index: meta.event_id for call in chunk})

    def end(self, plan: Plan) -> None:
        """The plan's terminal event."""
        outcome, results, history = plan.terminal(self.limits)
        meta = self.meta(plan)
        ended = PlanEnded(
            meta, plan.plan_id, plan.idempotency_key, plan.agent, outcome, results, history, plan.remaining
        )
        self.say(plan, ended)
        self.ended(plan, ended)
        if outcome != "SUCCEEDED":
            self.hop.tools.log.info("plan failed", event_id=meta.event_id, plan_id=plan.plan_id, outcome=outcome)

    def say(self, plan: Plan, event: Record) -> None:
        """An event of a plan."""
        self.hop.emit(EVENTS, event, under=under.of_plan(plan))

    def meta(self, plan: Plan | Reservation) -> Meta:
        """The meta of a fact about a plan."""
        trace, correlation = plan.traceparent, plan.correlation_id
        return self.hop.meta(
            self.cause.event_id, self.cause.timestamp_ms, plan.tenant, plan.domain, correlation or plan.plan_id, trace
        )


def toolset_of(call: Invocation) -> str:
    """The toolset that runs a call."""
    return call.tool.partition(".")[0]


def chunks(items: Sequence[T], size_of: Callable[[T], int]) -> Iterator[list[T]]:
    """Items in parts of a limited size, in order."""
    part: list[T] = []
    total = 0
    for item in items:
        size = size_of(item)
        if part and total + size > CHUNK_CHARACTERS:
            yield part
            part, total = [], 0
        part.append(item)
        total += size
    if part:
        yield part
