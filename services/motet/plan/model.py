"""A plan that was admitted, and its calls: what is known, what ended, what took its place in the history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from motet.chassis.canonical import compact, digest, sha256_text
from motet.plan.graph import topological_order
from motet.plan.limits import Limits
from motet.plan.spending import Ledger
from motet.records import (
    BarrierCause,
    CallOutcome,
    CallResult,
    Claim,
    CommittedCall,
    Failure,
    Isolation,
    PlanOutcome,
    Policy,
)

# RETRYING: an attempt failed and another is due. IN_DOUBT: nobody knows whether it happened, and the plan waits to be told.
Status = Literal["WAITING", "STARTED", "RETRYING", "IN_DOUBT", "DONE"]
# What a call still is that has its place in the history: an attempt of it runs, or nobody knows whether it happened.
Lingering = Literal["", "RUNNING", "IN_DOUBT"]
Approval = Literal["", "NEEDED", "ASKED", "GRANTED"]


@dataclass(slots=True)
class Call:
    """One call of a plan. `arguments` is canonical JSON; with references in it, it is replaced when the call starts."""

    call_id: str
    tool: str
    contract_version: int
    arguments: str
    arguments_sha256: str
    after: tuple[int, ...]
    claims: tuple[Claim, ...]
    effect: str
    refers: bool = False
    key: str = ""
    status: Status = "WAITING"
    outcome: CallOutcome = "UNKNOWN"
    result: str | None = None
    result_sha256: str | None = None
    error: Failure | None = None
    attempt: int = 0
    # When its first attempt was sent, and when its last one was; milliseconds since 1970, by the log.
    began: int = 0
    # -- what most calls never have; kept together in a row -----------------------------------------------------------------
    # What it waits for is due: the next attempt, the end of an approval, an answer.
    due: int = 0
    approval: Approval = ""
    approval_seconds: float = 0.0
    # Some attempt before the present one may have happened; how many invocations only asked about that; whether the present one does;
    # how many invocations do not count as attempts of the tool.
    uncertain: bool = False
    asked: int = 0
    asks: bool = False
    uncounted: int = 0
    told: bool = False
    lingers: Lingering = ""
    # The part of the plan with which it got in line; -1: not yet, it waits for a person.
    part: int = 0
    # The version of the contract that undoes it, 0 if there is none; whether it is to be undone whatever the plan's policy.
    undo_version: int = 0
    undo: bool = False
    # What it returned too late for the history.
    late_result: str | None = None
    # The versions that it expects of resources; after a conflict those that were found.
    expected: dict[str, int] = field(default_factory=dict)
    # What it uses follows from a result that is not there yet: its claims are the whole of what that may be.
    unknown: bool = False
    # The slot that it waits for: of what there are too many in flight.
    slot: str = ""
    # The leases that it runs under, each scope/resource.
    leases: tuple[str, ...] = ()
    # -- derived, not stored: whether the queues gave it everything, for how many calls it still waits, and if it has its place in the
    # history.
    granted: bool = False
    waits: int = 0
    placed: bool = False

    @property
    def runs(self) -> int:
        """How often the tool itself was tried."""
        return self.attempt - self.uncounted

    @property
    def open(self) -> bool:
        """Whether something of it may still come: it has not ended, or lingers."""
        return self.status != "DONE" or self.lingers != ""

    @property
    def under_way(self) -> bool:
        """Whether it began, and something of it may still come."""
        return self.status in ("STARTED", "RETRYING", "IN_DOUBT") or self.lingers != ""

    @property
    def in_doubt(self) -> bool:
        """Whether nobody knows if it happened."""
        return "IN_DOUBT" in (self.status, self.lingers)


@dataclass(slots=True)
class Reservation:
    """What a plan that another service hosts uses, as one member of the lines. `entered` is its place among all entries of the shard."""

    plan_id: str
    tenant: str
    domain: str
    claims: tuple[Claim, ...]
    asked_in: str
    correlation_id: str
    traceparent: str | None
    deadline: int
    entered: int = -1
    # The call of it that is in doubt: everything is in quarantine.
    doubt: str = ""
    # -- derived ------------------------------------------------------------------------------------------------------------
    granted: bool = False


@dataclass(slots=True)
class Leased:
    """The leases of a plan in one scope. `duration` is in milliseconds; the token is 0 until they are granted."""

    scope: str
    resources: tuple[str, ...]
    duration: int
    token: int = 0
    state: Literal["", "ASKED", "HELD", "LOST", "DENIED"] = ""


@dataclass(slots=True)
class Plan:
    """A plan from its admission until nothing of it is open."""

    plan_id: str
    idempotency_key: str
    tenant: str
    domain: str
    agent: str
    isolation: Isolation
    correlation_id: str | None
    traceparent: str | None
    calls: list[Call]
    committed: int = 0
    committed_in: dict[int, str] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)
    # Milliseconds since 1970, by the log; the plan ends by its deadline.
    admitted: int = 0
    admitted_in: str = ""
    deadline: int = 0
    barrier: BarrierCause | Literal[""] = ""
    # When each part of it, or a compensation, got in line: the number of that entry among all of the shard. Which of them no longer
    # hold what their calls had.
    entered: dict[str, int] = field(default_factory=dict)
    released: list[str] = field(default_factory=list)
    ledger: Ledger | None = None
    # Calls whose effects are still to be undone, the next one first; the compensations that were begun, by the call they undo.
    undo: list[int] = field(default_factory=list)
    undoing: bool = False
    undo_failed: bool = False
    # Compensations get in line like calls of their own, because the plan does not hold their resources.
    in_line: bool = False
    compensations: dict[int, Call] = field(default_factory=dict)
    # By then it is known what its calls use, or it ends; 0 if that is known from the beginning.
    known_by: int = 0
    # Where calls of it wait for a slot, with its turn there.
    turns: dict[str, int] = field(default_factory=dict)
    # Whether another service was asked for what it uses, and gave it.
    reservation: Literal["", "ASKED", "HELD"] = ""
    # The version of the rules that it is decided by (`rules`): that of its admission. A row without one is of the first.
    rules: int = 1
    # Of a hosted plan: the call in doubt of which the host of the lines was told.
    doubt_told: str = ""
    # The name of the definition that it is an instance of, as its author gives it: it is told, and decides nothing.
    workflow: str | None = None
    # Set with the terminal event; a plan of which something lingers is kept.
    outcome: PlanOutcome = "UNKNOWN"
    # -- derived ------------------------------------------------------------------------------------------------------------
    order: list[int] = field(init=False)
    followers: list[list[int]] = field(init=False)
    alarm: int = 0
    # What each of its calls has a slot of while it is in flight, with how many may have one.
    demand: tuple[tuple[str, int], ...] = ()
    # Whether some of its calls may get in line later than others.
    in_parts: bool = False
    # What its events say that they are decided under (`hosting.under`), once that was asked for.
    under: str = ""
    # Of a hybrid plan, everything that it uses; of use until it was asked for.
    reserves: tuple[Claim, ...] = ()
    # -- what most plans never have; kept together in a row, with what it reserves -------------------------------------------
    # Its leases, in the order in which it asks for them; for how long it waits for all of them, and until when once it asked.
    leases: list[Leased] = field(default_factory=list)
    lease_wait: int = 0
    lease_by: int = 0

    def __post_init__(self) -> None:
        """Derives the order and the edges."""
        calls = self.calls
        for call in calls:
            if call.part or call.approval or call.unknown:
                self.in_parts = True
        if len(calls) == 1:
            # One call comes behind nothing.
            self.order, self.followers = [0], [[]]
            calls[0].placed = self.committed > 0
            return
        after = [call.after for call in calls]
        self.order = topological_order(after)
        for index in self.order[: self.committed]:
            calls[index].placed = True
        self.followers = [[] for _ in calls]
        if not any(after):
            return
        for index, call in enumerate(calls):
            call.waits = sum(not self.lets_pass(calls[before]) for before in call.after)
            for before in call.after:
                self.followers[before].append(index)

    def lets_pass(self, call: Call) -> bool:
        """Whether calls behind this one may start: it succeeded, or it ended and the plan goes on all the same."""
        return call.outcome == "SUCCEEDED" or (call.status == "DONE" and self.policy.on_failure == "CONTINUE")

    def call_at(self, index: int) -> Call | None:
        """A call, or the compensation of one: these are numbered behind the calls."""
        calls = self.calls
        if 0 <= index < len(calls):
            return calls[index]
        return self.compensations.get(index - len(calls))

    def granted_at(self, index: int) -> None:
        """The queues gave a call, or a compensation, everything."""
        call = self.call_at(index)
        if call is not None:
            call.granted = True

    def everything(self) -> Iterator[tuple[int, Call]]:
        """Calls and compensations with their indexes."""
        yield from enumerate(self.calls)
        for index, call in self.compensations.items():
            yield len(self.calls) + index, call

    @property
    def outside(self) -> bool:
        """Whether it waits for leases still: then nothing of it is in a line."""
        return any(one.state not in ("HELD", "LOST") for one in self.leases)

    @property
    def sequence(self) -> int:
        """Its place among all plans of the shard, by when it first got in line."""
        return min(self.entered.values(), default=0)

    def line_of(self, index: int) -> str:
        """The name under which a call got in line: the plan's own, or that of a later part or of a compensation."""
        undone = index - len(self.calls)
        if undone >= 0:
            return f"{self.plan_id}#u{undone}"
        part = self.calls[index].part
        return self.plan_id if part <= 0 else f"{self.plan_id}#{part}"

    def key_of(self, index: int, call: Call) -> str:
        """A call's idempotency key: the same whoever derives it, and another one for every call and content.

        The index tells two identical calls of a plan apart.
        """
        return digest(
            self.tenant, self.plan_id, str(index), call.tool, str(call.contract_version), call.arguments_sha256
        )[:32]

    def settle(self, index: int, outcome: CallOutcome, result: str | None, error: Failure | None) -> list[int]:
        """Ends a call; returns the calls behind it that may now start, or that must be skipped."""
        call = self.calls[index]
        call.status, call.outcome, call.result, call.error = "DONE", outcome, result, error
        call.result_sha256 = None if result is None else sha256_text(result)
        followers = self.followers[index]
        if followers and self.lets_pass(call):
            for follower in followers:
                self.calls[follower].waits -= 1
        return followers

    def commit(self) -> list[CommittedCall]:
        """The calls that take their place in the history now: the ended ones up to the first that is not, in the plan's order."""
        out: list[CommittedCall] = []
        calls, order = self.calls, self.order
        while self.committed < len(order):
            index = order[self.committed]
            call = calls[index]
            if call.status != "DONE":
                break
            sha256 = None if call.outcome == "SKIPPED" else call.arguments_sha256
            out.append(
                CommittedCall(
                    index, call.outcome, call.result, call.result_sha256, call.error, call.key, call.attempt, sha256
                )
            )
            call.placed = True
            self.committed += 1
        return out

    @property
    def complete(self) -> bool:
        """Whether every call took its place."""
        return self.committed == len(self.calls)

    @property
    def stopping(self) -> bool:
        """Whether calls that were told to stop still run."""
        return any(call.lingers == "RUNNING" for call in self.calls)

    @property
    def in_doubt(self) -> bool:
        """Whether nobody knows of one of its calls if it happened."""
        for call in self.calls:
            if call.status == "IN_DOUBT" or call.lingers == "IN_DOUBT":
                return True
        return False

    @property
    def ended(self) -> bool:
        """Whether its terminal event was decided."""
        return self.outcome != "UNKNOWN"

    @property
    def finished(self) -> bool:
        """Whether it ended and nothing of it is open."""
        if self.outcome == "UNKNOWN" or self.undo:
            return False
        for call in self.calls:
            if call.status != "DONE" or call.lingers:
                return False
        return not self.compensations or not any(call.open for call in self.compensations.values())

    @property
    def succeeded(self) -> bool:
        """Whether what its calls did is what it was meant to do."""
        if self.policy.batch == "QUORUM":
            return self.successes >= (self.policy.quorum or 0)
        for call in self.calls:
            if call.outcome != "SUCCEEDED":
                return False
        return True

    @property
    def successes(self) -> int:
        """Calls that succeeded."""
        return sum(call.outcome == "SUCCEEDED" for call in self.calls)

    @property
    def remaining(self) -> tuple[int, ...]:
        """The calls that are not undone though they should be, and those in doubt."""
        doubtful = (index for index, call in enumerate(self.calls) if call.in_doubt)
        return tuple(dict.fromkeys((*self.undo, *doubtful)))

    def verdict(self) -> PlanOutcome:
        """The outcome of a plan that ends now."""
        if self.undo_failed:
            return "COMPENSATION_FAILED"
        if self.in_doubt:
            return "IN_DOUBT"
        if self.succeeded:
            return "SUCCEEDED"
        if self.undoing and self.policy.on_failure == "COMPENSATE":
            return "COMPENSATED"
        return "CANCELLED" if self.barrier == "CANCEL" else "FAILED"

    def terminal(self, limits: Limits) -> tuple[PlanOutcome, tuple[CallResult, ...], str]:
        """Outcome, results in call order (large ones by event and digest), and the digest of the committed history."""
        left = limits.inline_result_bytes
        results = []
        for index, call in enumerate(self.calls):
            left -= len(call.result.encode()) if call.result is not None else 0
            inline = left >= 0
            results.append(
                CallResult(
                    call.call_id,
                    call.tool,
                    call.outcome,
                    call.result if inline else None,
                    call.result_sha256,
                    None if inline or call.result is None else self.committed_in[index],
                    call.error,
                )
            )
        history = [
            [
                call.call_id,
                call.tool,
                call.contract_version,
                call.arguments_sha256,
                call.outcome,
                call.result_sha256,
                None if call.error is None else [call.error.code, call.error.message],
            ]
            for call in self.calls
        ]
        return self.outcome, tuple(results), sha256_text(compact(history))
